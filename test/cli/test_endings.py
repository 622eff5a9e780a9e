# SPDX-License-Identifier: Apache-2.0
"""No command ends in a traceback: one line and an exit code, whatever it meets."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli import config
from lfmvl_ros.cli.main import commands, main
from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.viz.video import write_image

from ..waiting import PATIENCE_S

SEEN = json.dumps({"text": '[{"label": "tote", "bbox": [0.2, 0.2, 0.5, 0.7]}]'}) + "\n"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("the\nadvice"), 2, "lfmvl config: the advice"),
        (OSError(28, "No space left on device", "a.json"), 2, "a.json: the disk is full"),
        (MemoryError(), 2, "out of memory"),
        (ZeroDivisionError("by\x1b[31m zero"), 3, "a defect of lfmvl_ros (ZeroDivisionError"),
        (RecursionError("deep"), 3, "report it with the output of --debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_is_raised_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    error: BaseException, code: int, says: str,
) -> None:  # fmt: skip
    def fails(_args: object) -> int:
        raise error

    monkeypatch.setattr(config, "run", fails)
    assert main(["config"]) == code
    errors = capsys.readouterr().err
    assert says in errors
    assert len(errors.splitlines()) == 1
    assert "\x1b" not in errors
    assert main(["config", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [ValueError("no\npad token"), RuntimeError("sizes\x1b[31m"), KeyError("x"), MemoryError()],
)
def test_what_a_command_logs_is_one_line_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fails_inside(_args: object) -> int:
        try:
            raise error
        except Exception:
            logging.getLogger("lfmvl_ros.core.ask").exception("the model failed")
        return 1

    monkeypatch.setattr(logging.root, "handlers", [])  # those of pytest: a command has none
    monkeypatch.setattr(config, "run", fails_inside)
    for _ in range(2):
        assert main(["config"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == f"the model failed: {describe(error)}"
        assert main(["config", "--debug"]) == 1
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", commands())
def test_every_command_takes_debug(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert "--debug" in capsys.readouterr().out


def run(*words: str, output: str) -> tuple[int, str]:
    """Run a command with its output into a file; return exit code and errors."""
    with open(output, "w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "lfmvl_ros.cli.main", *words],
            stdout=out, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    return done.returncode, done.stderr


def test_output_that_nobody_takes_is_no_traceback(tmp_path: Path) -> None:
    code, errors = run("config", output="/dev/full")
    assert (code, errors.count("\n")) == (2, 1)
    assert "the output: the disk is full" in errors
    with subprocess.Popen(
        [sys.executable, "-m", "lfmvl_ros.cli.main", "config"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as command:  # fmt: skip
        assert command.stdout is not None
        command.stdout.close()  # as `| head -0` does
        assert command.stderr is not None
        assert command.stderr.read() == b""
        assert command.wait(100) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "--minutes", "nan", "--out", "{tmp}/run"], "takes time"),
        (["train", "--minutes", "inf", "--out", "{tmp}/run"], "takes time"),
        (["train", "--tiny", "--steps", "1", "--out", "{tmp}/file"], "there is a file"),
        (["train", "--tiny", "--steps", "1", "--out", "/proc/run"], "/proc"),
        (["train", "--resume", "--out", "{tmp}/damaged"], "can't be read as the state"),
        (["train", "--out", "{tmp}/damaged", "--export", "{tmp}/x"], "can't be read as the state"),
        (["ground", "{tmp}/in.png", "--query", "tote", "--model", "{tmp}/r.jsonl",
          "--annotate", "/proc/a.png"], "/proc"),
        (["ground", "{tmp}/in.png", "--query", "tote", "--model", "{tmp}/r.jsonl",
          "--annotate", "{tmp}/a.xyz"], "no encoder for '.xyz'"),
        (["ground", "{tmp}", "--query", "tote", "--model", "{tmp}/r.jsonl"], "is a folder"),
        (["track", "{tmp}/in.png.txt", "--query", "tote"], "there is no video file"),
        (["track", "{tmp}/empty", "--query", "tote"], "an empty file"),
        (["scenes", "--preview", "{tmp}/file/a.png", "--count", "1"], "choose another place"),
        (["scenes", "--labelled", "{tmp}/file", "--count", "1"], "choose another place"),
        (["scenes", "--video", "/proc/a.mp4", "--seconds", "0.1"], "/proc"),
        (["scenes", "--truth", "/dev/full", "--seconds", "0.1"], "the disk is full"),
        (["scenes", "--video", "{tmp}/a.mp4", "--seconds", "nan"], "--seconds: a number"),
        (["demo", "--out", "{tmp}/file"], "there is a file"),
        (["demo", "--duration", "nan"], "--duration"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    write_image(tmp_path / "in.png", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "r.jsonl").write_text(SEEN)
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "state.pt").write_bytes(b"not a state")
    before = sorted(os.listdir(tmp_path))
    assert main([word.format(tmp=tmp_path) for word in words]) == 2
    errors = capsys.readouterr().err
    assert says in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert [name for name in sorted(os.listdir(tmp_path)) if name.startswith(".")] == []
    assert set(before) <= set(os.listdir(tmp_path))


def test_an_answer_that_runs_into_the_time_limit_names_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "in.png", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "r.jsonl").write_text(json.dumps({"text": "[]", "delay_s": 60.0}) + "\n")
    main(["ground", str(tmp_path / "in.png"), "--query", "tote", "--model",
          str(tmp_path / "r.jsonl"), "--generation-timeout-s", "0.5"])  # fmt: skip
    assert "raise it with --generation-timeout-s" in capsys.readouterr().err
