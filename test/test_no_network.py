# SPDX-License-Identifier: Apache-2.0
"""Nothing is asked over a network unless that was configured (docs/security.md)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .waiting import PATIENCE_S

_WATCHED = """
import sys
calls = []
sys.addaudithook(
    lambda event, args: calls.append((event, args[1:]))
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") else None
)
from lfmvl_ros.cli.main import main
code = main(sys.argv[1:])
print("calls", calls, file=sys.stderr)
"""


def _calls(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *arguments],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return next(line for line in done.stderr.splitlines() if line.startswith("calls"))


def test_the_bundled_checkpoint_answers_without_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from lfmvl_ros.viz.video import write_image

    write_image(tmp_path / "a.png", np.full((64, 64, 3), 99, np.uint8))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    image = ("ground", str(tmp_path / "a.png"), "--query", "person", "--device", "cpu")
    assert _calls(*image, "--model", "bundled", "--generation-max-new-tokens", "8") == "calls []"
    # The same watch sees the one connection that a hub id makes.
    assert "socket.connect" in _calls(*image, "--model", "lfmvl-test/none")
