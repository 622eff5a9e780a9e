# SPDX-License-Identifier: Apache-2.0
"""The tool ``watch``: an event that goes on, begins, is over at once, or does not come."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from lfmvl_ros.core.commands.result import Done, ToolProgress
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.tools import Watch
from lfmvl_ros.core.commands.watching import check_rule, watch
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.event import EndReason, Event, EventState, EventTrack
from lfmvl_ros.core.rules.rule import Kind

BEGIN, UPDATE, END = EventState.BEGIN, EventState.UPDATE, EventState.END
NAMES = ("aisle", "dock")


def event(state: EventState, number: int = 1, rule: str = "aisle", camera: str = "") -> Event:
    reason = EndReason.CLEARED if state is END else None
    person = EventTrack(7, "person", 0.9, (0.1, 0.1, 0.2, 0.5))
    return Event(
        f"{rule}-{number}", rule, Kind.ENTER, state, reason, 5, 5, 4, "", camera, "", "", 0.97,
        None, "", (person,),
    )  # fmt: skip


def rules(*names: str) -> RuleEvents:
    found = RuleEvents()
    found.use(names or NAMES)
    return found


def end_of(steps: Generator[ToolProgress | None, None, Done]) -> Done:
    with pytest.raises(StopIteration) as end:
        next(steps)
    done = end.value.value
    assert isinstance(done, Done)
    return done


def test_an_event_that_goes_on_is_reported_at_once() -> None:
    events = rules()
    events.note(event(BEGIN))
    done = end_of(watch(Watch("aisle"), lambda: {"": events}, lambda: None))
    assert done.data["happened"]
    assert done.data["event"]["tracks"][0]["id"] == 7
    assert done.text == "aisle: person 7, probability 0.97"


def test_one_that_begins_and_is_over_between_two_looks_is_not_missed() -> None:
    events = rules()
    events.note(event(BEGIN))
    events.note(event(END))
    steps = watch(Watch("aisle"), lambda: {"": events}, lambda: None)
    progress = next(steps)
    assert progress is not None
    assert progress.data["rule"] == "aisle"
    events.note(event(BEGIN, 2, "dock"))
    assert next(steps) is not None
    events.note(event(BEGIN, 3))
    events.note(event(END, 3))
    assert end_of(steps).data["event"]["id"] == "aisle-3"


def test_nothing_within_the_time_is_an_answer_not_a_failure() -> None:
    done = end_of(watch(Watch("dock", timeout_s=0.0), lambda: {"": rules()}, lambda: None))
    assert done.status.value == "done"
    assert done.data["happened"] is False
    assert done.data["event"] is None


def test_only_the_named_camera_counts() -> None:
    left, right = rules(), rules()
    steps = watch(Watch("aisle", camera="left"), lambda: {"left": left, "right": right}, int)
    next(steps)
    right.note(event(BEGIN, 1, camera="right"))
    next(steps)
    left.note(event(BEGIN, 2, camera="left"))
    assert end_of(steps).text.startswith("aisle of left: person 7")


def test_rules_that_are_opened_again_are_watched_on() -> None:
    current = {"": rules()}
    current[""].note(event(BEGIN))
    current[""].note(event(END))
    steps = watch(Watch("aisle"), lambda: current, lambda: None)
    next(steps)
    current[""] = rules()
    next(steps)
    current[""].note(event(BEGIN, 2))
    assert end_of(steps).data["event"]["id"] == "aisle-2"


@pytest.mark.parametrize(
    ("names", "reason"),
    [((), "there are no rules; give the node a rules_file"), (NAMES, "did you mean aisle")],
)
def test_a_rule_that_is_not_there_is_refused(names: tuple[str, ...], reason: str) -> None:
    events = RuleEvents()
    events.use(names)
    with pytest.raises(UserError, match=reason):
        next(watch(Watch("aile"), lambda: {"": events}, lambda: None))


def test_a_rule_that_is_removed_ends_the_watch() -> None:
    events = rules()
    steps = watch(Watch("aisle"), lambda: {"": events}, lambda: None)
    next(steps)
    events.note(event(BEGIN))
    events.use(("dock",))
    with pytest.raises(UserError, match="there is no rule 'aisle'; there are dock"):
        next(steps)


def test_a_rule_of_another_camera_is_told_from_no_rule() -> None:
    cameras = {"left": rules("aisle"), "right": rules("dock")}
    with pytest.raises(UserError, match="aisle is a rule of left only"):
        check_rule(Watch("aisle", camera="right"), cameras)
    check_rule(Watch("aisle", camera="left"), cameras)
    check_rule(Watch("dock"), cameras)
