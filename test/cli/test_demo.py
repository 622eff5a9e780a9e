# SPDX-License-Identifier: Apache-2.0
"""How ``lfmvl demo`` ends; its processes are stand-ins here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lfmvl_ros.cli import demo
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.config import RecorderSettings


class Stub:
    """A process that notes what happens to it."""

    def __init__(self, name: str, events: list[str], code: int | None) -> None:
        self._name, self._events, self.returncode = name, events, code

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self._events.append(f"{self._name} is asked to end")

    def wait(self, timeout: float | None = None) -> int:
        self._events.append(f"{self._name} has ended")
        return 0


class Stubs:
    """Stands in for the children of a command: all but the recorder run until the end."""

    events: ClassVar[list[str]] = []
    code = 0

    def start(self, command: Sequence[str]) -> Stub:
        name = command[2].rpartition(".")[2]
        return Stub(name, self.events, self.code if name == "recorder_node" else None)

    def __enter__(self) -> Stubs:
        self.events.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self.events.append("all are asked to end")


def ended(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, waited_s: float) -> int:
    """Run a demo of which the recorder ends with a code after so many seconds."""
    times = iter([0.0, waited_s])
    monkeypatch.setattr(demo, "Children", Stubs)
    monkeypatch.setattr(demo, "time", Clock(times))
    monkeypatch.setattr(demo, "busy_cores", lambda: 0.0)
    monkeypatch.setattr(Stubs, "code", code)
    return main(["demo", "--dds-profile", "none", "--out", str(folder / "demo")])


class Clock:
    """Gives times that were set."""

    def __init__(self, times: Any) -> None:
        self._times = times

    def monotonic(self) -> float:
        return float(next(self._times))


def test_images_come_until_the_perception_node_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a command in the last second is told that images are missing."""
    assert ended(tmp_path, monkeypatch, 0, 40.0) == 0
    assert Stubs.events == [
        "perception_node is asked to end", "perception_node has ended", "all are asked to end",
    ]  # fmt: skip


def test_a_demo_without_an_answer_says_that_it_was_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patience_s = RecorderSettings().start_timeout_s
    assert ended(tmp_path, monkeypatch, 1, patience_s + 1) == 1
    said = capsys.readouterr().err
    assert "lfmvl demo: camera and perception node run, but are still on the way to the fi" in said
    assert f"after {patience_s + 1:.0f} s: " in said
    assert ended(tmp_path, monkeypatch, 1, 3.0) == 1  # something else: it is said above
    assert "on the way" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("busy", "advice"),
    [(3.2, "other programs keep 3.2 of "), (0.2, "may be too slow for the model; name a smaller")],
)
def test_what_to_do_depends_on_how_busy_the_machine_is(busy: float, advice: str) -> None:
    said = demo._no_answer(180.0, busy)
    assert advice in said
    assert said.endswith(", and run it again")
