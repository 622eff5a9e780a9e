# SPDX-License-Identifier: Apache-2.0
"""Commands that come faster than they can be answered: each is answered, or counted as lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from dataclasses import replace

import pytest

from lfmvl_ros.core.commands import commander as commanding
from lfmvl_ros.core.commands.commander import Commander
from lfmvl_ros.core.commands.controls import Controls
from lfmvl_ros.core.commands.inbox import MOST_WAITING
from lfmvl_ros.core.commands.policy import Policy
from lfmvl_ros.core.commands.result import CommandResult
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.scene import Scene

from ...waiting import PATIENCE_S, until


@pytest.mark.parametrize(("sent", "lost"), [(50, 0), (2 * MOST_WAITING, 0), (750, 550)])
def test_every_command_is_answered_or_counted(
    sent: int, lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[CommandResult] = []
    busy, go_on = threading.Event(), threading.Event()

    def publish(result: CommandResult) -> None:
        busy.set()
        go_on.wait(PATIENCE_S)
        told.append(result)

    scene = Scene(("",), lambda: 1.0, lambda _camera: None)
    controls = Controls(scene, lambda: None, lambda _changes: "", lambda: False)
    policy = Policy((), dry_run=False, syntax="", model="m")
    commander = Commander(controls, lambda: policy, lambda: 1, publish)
    with caplog.at_level(logging.WARNING):
        commander.submit("{}")  # refused, and its result waits to be published
        assert busy.wait(PATIENCE_S)
        for _ in range(sent):
            commander.submit("{}")
        go_on.set()
        until(lambda: len(told) >= 1 + sent - lost, told=lambda: len(told))
        commander.close(PATIENCE_S)
    assert len(told) == 1 + sent - lost
    assert {result.status.value for result in told} == {"refused"}
    assert commander.counts["lost"] == lost
    assert (f"{lost} commands were lost" in caplog.text) == bool(lost)


@pytest.mark.parametrize(
    ("model", "says"),
    [("", "no model is loaded yet; send the sentence again"), ("m", "m can't turn sentences")],
)
def test_a_sentence_that_no_model_reads_is_refused_with_the_reason(model: str, says: str) -> None:
    told: list[CommandResult] = []
    scene = Scene(("",), lambda: 1.0, lambda _camera: None)
    controls = Controls(scene, lambda: None, lambda _changes: "", lambda: False)
    policy = Policy((), dry_run=False, syntax="", model=model)
    commander = Commander(controls, lambda: policy, lambda: 1, told.append)
    commander.submit("count the crates")
    until(lambda: told)
    commander.close(PATIENCE_S)
    assert told[0].status.value == "refused"
    assert says in told[0].message


def test_a_number_that_the_sentence_does_not_say_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model writes the beginning of a long id: that is another object."""

    def writes(*_: object) -> Generator[None, None, str]:
        yield from ()
        return "<|tool_call_start|>[follow(id=1234)]<|tool_call_end|>"

    monkeypatch.setattr(commanding, "ask_model", writes)
    told: list[CommandResult] = []
    scene = Scene(("",), lambda: 1.0, lambda _camera: None)
    controls = Controls(scene, lambda: None, lambda _changes: "", lambda: False)
    policy = Policy(("follow",), dry_run=True, syntax="learned", model="m")
    commander = Commander(controls, lambda: policy, lambda: 1, told.append)
    for sentence in ("follow object 12345", "follow object 1234"):
        commander.submit(sentence)
    until(lambda: len(told) == 2)
    commander.close(PATIENCE_S)
    assert [one.status.value for one in told] == ["refused", "done"]
    assert "follow: the sentence does not say 1234, but 12345" in told[0].message


def test_names_in_use_are_those_of_all_cameras() -> None:
    events = RuleEvents()
    events.use(("spill", "door"))
    scene = Scene(("front", "rear"), lambda: 1.0, lambda _camera: None)
    controls = Controls(
        scene, lambda: None, lambda _changes: "", lambda: False,
        rule_events=lambda: {"front": events, "rear": events},
    )  # fmt: skip
    assert controls.names() == {"rule": ("spill", "door"), "camera": ("front", "rear")}
    alone = replace(controls, scene=Scene(("",), lambda: 1.0, lambda _camera: None))
    assert alone.names()["camera"] == ()
