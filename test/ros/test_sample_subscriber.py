# SPDX-License-Identifier: Apache-2.0
"""The sample subscriber as a process, beside a perception node, over real DDS."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ..waiting import PATIENCE_S
from .conftest import Inbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "print_tracks.py"
TOTE = {"text": '[{"label": "red tote", "bbox": [0.25, 0.25, 0.75, 0.75]}]', "delay_s": 0.05}
NOTHING, SILENCE = {"text": "[]", "delay_s": 0.05}, {"text": "as an AI I", "delay_s": 0.05}


@pytest.fixture
def printed(world):
    """Start the example with these parameters; its lines arrive in an inbox."""
    processes = []

    def start(**parameters):
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "--ros-args", "-r", f"__ns:={world.namespace}", *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        processes.append(process)
        inbox = Inbox("the example's output")
        threading.Thread(target=lambda: [inbox(line) for line in process.stdout]).start()
        return inbox

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def test_tracks_are_printed(world, printed):
    world.perception([TOTE], query="red tote")
    lines = printed(max_age_s=1e6)  # however busy the machine is
    world.camera(wh=(64, 48)).start()
    line = lines.next(lambda text: "#" in text)
    assert re.fullmatch(
        r"red tote #\d+: confidence [01]\.\d\d, centre 32, 24 px, \d+ ms old\n", line
    )


@pytest.mark.parametrize(
    ("reply", "told"),
    [(NOTHING, "nothing there (model: empty)"), (SILENCE, "unknown (model: unparseable)")],
)
def test_an_empty_list_is_only_absence_when_the_model_said_so(world, printed, reply, told):
    world.perception([reply], query="red tote")
    lines = printed(max_age_s=1e6)
    world.camera().start()
    lines.next(lambda text: text.strip() == told)


def test_what_is_too_old_or_too_unlikely_is_not_used(world, printed):
    world.perception([TOTE], query="red tote")
    unlikely, old = printed(max_age_s=1e6, min_score=1.01), printed(max_age_s=0.0)
    world.camera().start()
    unlikely.next(lambda text: text.strip() == "unknown (model: ok)")
    assert re.fullmatch(r"ignored: \d+\.\d\d s old\n", old.next())
