# SPDX-License-Identifier: Apache-2.0
"""A ``llama-server`` on the PATH is used before the wheel, and watched like it.

The program here takes llama-server's flags and runs the wheel: the same code of llama.cpp.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.config import GenerationSettings, PerceptionSettings
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.load import load_model

from ...waiting import PATIENCE_S, until

pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: no llama.cpp server here")
pytestmark = pytest.mark.slow

PROGRAM = """#!{python}
import argparse, os, pathlib
parser = argparse.ArgumentParser()
for flag in ("model", "mmproj", "host", "ctx-size", "threads", "image-min-tokens",
             "image-max-tokens", "parallel", "cache-ram", "n-gpu-layers"):
    parser.add_argument("--" + flag, required=True)
parser.add_argument("--no-mmproj-offload", action="store_true", required=True)
args = parser.parse_args()
assert (args.parallel, args.cache_ram, args.n_gpu_layers) == ("1", "0", "0")
pathlib.Path({pids!r}).open("a").write(f"{{os.getpid()}}\\n")
reader, writer = os.pipe()
os.set_inheritable(writer, True)  # llama-server does not end with its standard input
os.dup2(reader, 0)
os.execv({python!r}, [{python!r}, "-m", "lfmvl_ros.models.server.child", "--wheel", "--no-gpu",
    "--model", args.model, "--mmproj", args.mmproj, "--listen", args.host,
    "--context", args.ctx_size, "--threads", args.threads,
    "--min-image-tokens", args.image_min_tokens, "--max-image-tokens", args.image_max_tokens])
"""


def test_a_program_on_the_path_answers_and_is_started_again_when_killed_mid_answer(
    tmp_path, monkeypatch
):
    from lfmvl_ros.models.gguf.export import export_gguf

    files = export_gguf(Path(find("bundled").source), tmp_path, "q8_0", name="bundled",
                        catalogue_name="bundled")  # fmt: skip
    pids = tmp_path / "pids"
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, pids=str(pids)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    settings = PerceptionSettings(generation=GenerationSettings(timeout_s=PATIENCE_S))
    image = np.full((128, 128, 3), 120, np.uint8)
    model = load_model(str(files.text), device="cpu")
    try:
        first = int(pids.read_text().split()[0])
        (grounding,) = ask(model, [image], "person", settings)
        assert grounding.outcome in (Outcome.OK, Outcome.EMPTY)

        os.kill(first, signal.SIGSTOP)  # it takes the request, and does not answer
        answers = []
        asking = threading.Thread(
            target=lambda: answers.extend(ask(model, [image], "person", settings))
        )
        asking.start()
        time.sleep(0.5)
        os.kill(first, signal.SIGKILL)
        asking.join()
        assert [answer.outcome for answer in answers] == [Outcome.ERROR]

        until(
            lambda: (
                ask(model, [image], "person", settings)[0].outcome in (Outcome.OK, Outcome.EMPTY)
            )
        )
        second = int(pids.read_text().split()[1])
    finally:
        model.close()
    until(lambda: not Path(f"/proc/{second}").exists())
