# SPDX-License-Identifier: Apache-2.0
"""A training of several processes ends as one, and has its run directory to itself."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.run_folder import LOCK_FILE, LOG_FILE, claim

from ....datasets.coco_folders import scene_folder
from ....waiting import until


def test_a_run_directory_has_one_training(tmp_path):
    with claim(tmp_path), pytest.raises(UserError, match=rf"process {os.getpid()} is training"):
        claim(tmp_path)
    claim(tmp_path).close()


def free(run):
    try:
        claim(run).close()
    except UserError:
        return False
    return True


def alive(group):
    """Processes of a group that have not ended, whether or not anybody took note."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, leader = stat.read_text().rpartition(")")[2].split()[:3]
            if int(leader) == group and state not in "ZX":
                found.append(stat.parent.name)
    return found


@pytest.mark.parametrize("helpers", ["--processes 2", "--processes 1 --workers 1"])
def test_no_process_goes_on_after_the_command_was_killed(tmp_path, helpers):
    images, run = tmp_path / "bins", tmp_path / "run"
    scene_folder(images)
    command = f"train --data {images} --tiny --batch 2 --minutes 60 --out {run} {helpers}"
    command += " --device cpu"
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as what a script starts with &
    process = subprocess.Popen(
        [*ignoring, sys.executable, "-m", "lfmvl_ros.cli.main", *command.split()],
        start_new_session=True,
    )
    try:
        until((run / LOG_FILE).exists)
        assert not free(run)
        assert (int((run / LOCK_FILE).read_text()) != process.pid) == ("2" in helpers)
        assert len(alive(process.pid)) > 1
        process.kill()
        process.wait()
        until(lambda: free(run))
        until(lambda: not alive(process.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
