# SPDX-License-Identifier: Apache-2.0
"""Commands that come faster than they can be answered: each is answered, or counted as lost."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from lfmvl_ros.core.commands.commander import MOST_WAITING, Commander, Policy
from lfmvl_ros.core.commands.performing import Controls
from lfmvl_ros.core.commands.result import CommandResult
from lfmvl_ros.core.commands.scene import Scene


@pytest.mark.parametrize(("sent", "lost"), [(50, 0), (2 * MOST_WAITING, 0), (750, 550)])
def test_every_command_is_answered_or_counted(
    sent: int, lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[CommandResult] = []
    busy, go_on = threading.Event(), threading.Event()

    def publish(result: CommandResult) -> None:
        busy.set()
        go_on.wait(30)
        told.append(result)

    scene = Scene(("",), lambda: 1.0, lambda _camera: None)
    controls = Controls(scene, lambda: None, lambda _changes: "", lambda: False)
    policy = Policy((), dry_run=False, syntax="", model="m")
    commander = Commander(controls, lambda: policy, lambda: 1, publish)
    with caplog.at_level(logging.WARNING):
        commander.submit("{}")  # refused, and its result waits to be published
        assert busy.wait(30)
        for _ in range(sent):
            commander.submit("{}")
        go_on.set()
        deadline_s = time.monotonic() + 30
        while len(told) < 1 + sent - lost and time.monotonic() < deadline_s:
            time.sleep(0.01)
        commander.close(30)
    assert len(told) == 1 + sent - lost
    assert {result.status.value for result in told} == {"refused"}
    assert commander.counts["lost"] == lost
    assert (f"{lost} commands were lost" in caplog.text) == bool(lost)
