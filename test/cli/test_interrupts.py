# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGKILL: a command says one line, and none of its processes is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros import ask, load_model
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.interrupts import Interrupted
from lfmvl_ros.viz.video import write_image

from ..terminal_signals import default_signals
from ..waiting import PATIENCE_S
from ..waiting import until as until_it

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


class Command(subprocess.Popen[str]):
    """A command of its own process group, as a terminal starts it."""

    def __init__(self, *words: str, **environment: str) -> None:
        super().__init__(
            [sys.executable, "-m", "lfmvl_ros.cli.main", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **environment}, preexec_fn=default_signals,
        )  # fmt: skip

    def until(self, ready: Callable[[], bool]) -> None:
        until_it(lambda: ready() or self.poll() is not None, every_s=0.005)
        assert self.poll() is None, self.communicate()

    def handles_signals(self) -> bool:
        """Whether the command has come so far; until then Python itself starts."""
        return handles_signals(self.pid)

    def press(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as the terminal does."""
        os.killpg(self.pid, number)


@pytest.fixture
def started() -> Iterator[list[Command]]:
    commands: list[Command] = []
    yield commands
    for command in commands:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        command.communicate()


def handles_signals(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def processes_with(text: str) -> list[int]:
    """Return the processes, this one apart, whose command line holds the text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text(errors="replace")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if text in words and state not in "ZX" and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


@SIGNALS
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.5, 2.0])
def test_in_the_first_seconds_a_command_says_one_line(
    started: list[Command], tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    command = Command(
        "ground", str(tmp_path / "none.png"), "--query", "person", "--model", "bundled"
    )
    started.append(command)
    command.until(command.handles_signals)
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(after_s)  # on a fast machine it has ended by then: there is no such image
    if command.poll() is None:
        command.press(number)
    output, errors = command.communicate(timeout=PATIENCE_S)
    assert output == ""
    assert len(errors.splitlines()) == 1
    word = "interrupted" if number is signal.SIGINT else "terminated"
    if "none.png" in errors:  # it has said all and is ending, or has ended
        assert command.returncode in (2, -number)
    else:
        assert (command.returncode, errors) == (128 + number, f"lfmvl ground: {word}\n")


@SIGNALS
def test_a_signal_in_the_middle_of_an_answer_ends_the_command(
    started: list[Command], tmp_path: Path, number: signal.Signals
) -> None:
    """It is no defect of the model: evaluate would count it as an answer that failed, and go on."""
    write_image(tmp_path / "0.png", np.zeros((48, 64, 3), np.uint8))
    replies = tmp_path / "replies.jsonl"
    replies.write_text(json.dumps({"text": "[]", "delay_s": 600.0}) + "\n")
    command = Command(
        "ground", str(tmp_path / "0.png"), "--query", "person", "--model", str(replies),
        "--generation-timeout-s", "600",
    )  # fmt: skip
    started.append(command)
    assert command.stderr is not None
    assert "has no contrast" in command.stderr.readline()  # right before the model is asked
    time.sleep(1.0)
    command.press(number)
    output, errors = command.communicate(timeout=PATIENCE_S)
    word = "interrupted" if number is signal.SIGINT else "terminated"
    assert (output, errors) == ("", f"lfmvl ground: {word}\n")
    assert command.returncode == 128 + number


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted()])
def test_only_the_main_thread_lets_a_signal_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: KeyboardInterrupt
) -> None:
    def fail(*_words: object, **_settings: object) -> None:
        raise error

    (tmp_path / "replies.jsonl").write_text(json.dumps({"text": "[]"}))
    model = load_model(str(tmp_path / "replies.jsonl"))
    monkeypatch.setattr(model, "ground", fail)
    frame = Frame(np.zeros((48, 64, 3), np.uint8), 1)
    with pytest.raises(KeyboardInterrupt):
        ask(model, [frame], "person")
    with ThreadPoolExecutor(1) as pool:
        (grounding,) = pool.submit(ask, model, [frame], "person").result()
    assert grounding.outcome is Outcome.ERROR


def demo(folder: Path) -> Command:
    """Start a demo with a slow recorded model, whose processes name the folder."""
    write_image(folder / "0.png", np.zeros((48, 64, 3), np.uint8))
    replies = folder / "replies.jsonl"
    replies.write_text(json.dumps({"text": "[]", "delay_s": 0.2}) + "\n")
    return Command(
        "demo", "--duration", "600", "--model", str(replies), "--query", str(folder),
        "--out", str(folder / "out"), "--camera", str(folder), ROS_DOMAIN_ID="76",
    )  # fmt: skip


def children_of(folder: Path, command: Command) -> list[int]:
    return [pid for pid in processes_with(str(folder)) if pid != command.pid]


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 3.0])  # while they import, and when they run
@SIGNALS
def test_the_demo_ends_its_processes(
    started: list[Command], tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    command = demo(tmp_path)
    started.append(command)
    command.until(lambda: len(children_of(tmp_path, command)) == 3)
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(after_s)
    command.press(number)
    _, errors = command.communicate(timeout=PATIENCE_S)
    assert not children_of(tmp_path, command)
    assert "Traceback" not in errors
    assert command.returncode == 128 + number


@pytest.mark.slow
def test_a_second_ctrl_c_ends_the_demo_at_once(started: list[Command], tmp_path: Path) -> None:
    command = demo(tmp_path)
    started.append(command)
    command.until(lambda: len(children_of(tmp_path, command)) == 3)
    # A process that has no handler yet dies of SIGTERM, even one that is stopped.
    command.until(lambda: all(map(handles_signals, children_of(tmp_path, command))))
    for pid in children_of(tmp_path, command):
        os.kill(pid, signal.SIGSTOP)  # none of them can end by itself
    command.press(signal.SIGINT)
    time.sleep(0.3)
    assert command.poll() is None
    command.press(signal.SIGINT)
    _, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 130
    assert "Traceback" not in errors
    until_it(lambda: not children_of(tmp_path, command))


@pytest.mark.slow
def test_the_demo_that_is_killed_takes_its_processes_along(
    started: list[Command], tmp_path: Path
) -> None:
    command = demo(tmp_path)
    started.append(command)
    command.until(lambda: len(children_of(tmp_path, command)) == 3)
    command.kill()
    command.wait()
    until_it(lambda: not children_of(tmp_path, command))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_ends_its_processes(
    started: list[Command], tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    command = Command("train", "--tiny", "--out", str(run), "--processes", "2", "--device", "cpu")
    started.append(command)
    command.until((run / "lock").exists)
    command.press(number)
    _, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 128 + number
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        f"lfmvl train: {'interrupted' if number is signal.SIGINT else 'terminated'}"
    )
    assert not processes_with(str(run))


def test_a_signal_that_is_ignored_stays_ignored(started: list[Command], tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from lfmvl_ros.core.interrupts import InterruptWatch\n"
        "with InterruptWatch(print) as watch:\n"
        "    watch.begin(); signal.raise_signal(signal.SIGINT); print(watch.number)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_a_signal_that_another_thread_gets_waits_while_it_is_held() -> None:
    code = (
        "import os, signal, threading, time\n"
        "from lfmvl_ros.child_processes import interrupts_kept_from_children\n"
        "from lfmvl_ros.core.interrupts import Interrupted, InterruptWatch\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "with InterruptWatch(print) as watch:\n"
        "    watch.begin()\n"
        "    try:\n"
        "        with interrupts_kept_from_children():\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            while not watch.number:\n"
        "                time.sleep(0.01)\n"
        "            print('started whole', bool(watch.number), flush=True)\n"
        "        time.sleep(60)\n"
        "    except Interrupted:\n"
        "        print('then interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=default_signals,
    )
    assert done.stdout.splitlines() == ["started whole True", "then interrupted"], done.stderr


def test_processes_of_a_command_start_with_ctrl_c_blocked() -> None:
    code = (
        "import multiprocessing, signal\n"
        "from lfmvl_ros.child_processes import interrupts_kept_from_children\n"
        "if __name__ == '__main__':\n"
        "    spawn = multiprocessing.get_context('spawn')\n"
        "    with interrupts_kept_from_children():\n"
        "        children = [spawn.Process(target=signal.pause, daemon=True) for _ in range(2)]\n"
        "        for child in children:\n"
        "            child.start()\n"
        "    for child in children:\n"
        "        lines = open(f'/proc/{child.pid}/status').read().splitlines()\n"
        "        blocked = next(int(s.split()[1], 16) for s in lines if s.startswith('SigBlk'))\n"
        "        print(bool(blocked >> (signal.SIGINT - 1) & 1))\n"
        "        child.kill()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"], done.stderr
