# SPDX-License-Identifier: Apache-2.0
"""Drift as events: each change begins and ends once, whatever comes between."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.drift.events import DriftEvents
from lfmvl_ros.core.drift.monitor import Change
from lfmvl_ros.core.rules.event import EndReason, EventState

from ...examples import examples
from ...schemas import check, problems

SUBJECT = ("person", "m")
DARK = Change("brightness", 0.21, 0.48, -5.17)
SLOW = Change("latency_s", 0.8123456, 0.4, 4.0)
BEGIN, UPDATE, END = EventState.BEGIN, EventState.UPDATE, EventState.END


def test_a_change_begins_goes_on_and_passes() -> None:
    events = DriftEvents("front")
    (begun,) = events.update([DARK], [], SUBJECT, 1_500_000_000, "lens")
    document = check(begun.to_dict())
    assert (document["when"], document["rule"], document["state"]) == ("drift", "", "begin")
    assert (document["value"], document["unit"], document["tracks"]) == (0.21, "", [])
    assert document["drift"] == {"figure": "brightness", "reference": 0.48, "sigmas": -5.17}
    assert (document["camera"], document["frame_id"]) == ("front", "lens")
    stamp = {"sec": 1, "nanosec": 500_000_000}
    assert document["stamp"] == document["begin_stamp"] == document["evidence_stamp"] == stamp

    assert not events.update([DARK], [], SUBJECT, 2 * 10**9, "lens")  # no further mean
    darker = Change("brightness", 0.1, 0.48, -7.0)
    update, slow = events.update([darker, SLOW], [], SUBJECT, 3 * 10**9, "lens")
    assert (update.id, update.state, update.change) == (begun.id, UPDATE, darker)
    assert (slow.state, slow.id == begun.id) == (BEGIN, False)
    assert (check(slow.to_dict())["value"], slow.to_dict()["unit"]) == (0.8123, "s")
    usual = Change("brightness", 0.47, 0.48, -0.4)
    (end,) = events.update([SLOW], [usual], SUBJECT, 4 * 10**9, "lens")
    assert (end.id, end.state, end.reason) == (begun.id, END, EndReason.CLEARED)
    assert (end.begin_ns, end.stamp_ns) == (begun.begin_ns, 4 * 10**9)
    assert check(end.to_dict())["value"] == 0.47  # the mean that ended it, not the last update's
    assert end.to_dict()["drift"]["sigmas"] == -0.4


def test_another_reference_ends_all_changes_and_so_does_the_node() -> None:
    events = DriftEvents()
    (begun,) = events.update([DARK], [], SUBJECT, 1, "lens")
    end, again = events.update([DARK], [], ("person", "another"), 2, "lens")
    assert (end.id, end.reason) == (begun.id, EndReason.REFERENCE_CHANGED)
    (stopped,) = events.close()
    assert (stopped.id, stopped.reason) == (again.id, EndReason.STOPPED)
    (later,) = events.update([DARK], [], ("person", "another"), 3, "lens")
    assert (later.state, later.id == stopped.id) == (BEGIN, False)
    for event in (end, stopped, later):
        check(event.to_dict())


def test_the_schema_keeps_drift_and_rules_apart() -> None:
    document = DriftEvents().update([DARK], [], SUBJECT, 1, "lens")[0].to_dict()
    assert problems({**document, "rule": "a_rule"})
    assert problems({**document, "when": "enter"})
    del document["drift"]
    assert problems(document)


changes = st.lists(
    st.builds(Change, st.sampled_from("abc"), st.floats(0, 1), st.floats(0, 1), st.floats(-9, 9)),
    max_size=3,
    unique_by=lambda change: change.feature,
)
steps = st.lists(st.tuples(changes, st.sampled_from(["q", "other"]), st.booleans()), max_size=20)


@given(steps)
@examples(100)
def test_every_event_begins_once_and_ends_at_most_once(
    steps: list[tuple[list[Change], str, bool]],
) -> None:
    log, told, before = DriftEvents(), [], []
    for number, (now, query, stops) in enumerate(steps):
        passed = [each for each in before if each.feature not in {c.feature for c in now}]
        told += log.update(now, passed, (query, "m"), number, "lens")
        before = now
        told += log.close() if stops else []
    told += log.close()
    states: dict[str, list[EventState]] = {}
    for event in told:
        check(event.to_dict())
        states.setdefault(event.id, []).append(event.state)
    for seen in states.values():
        counts = Counter(seen)
        assert (seen[0], seen[-1], counts[BEGIN], counts[END]) == (BEGIN, END, 1, 1)
