# SPDX-License-Identifier: Apache-2.0
"""Rules over time: what begins, what ends, and that each does so once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.rules import EndReason, EventState, RuleEngine, parse_rules
from lfmvl_ros.core.tracking import TrackState

from ...examples import examples
from .scenes import (
    ENTER,
    HALVES,
    IN,
    OUT,
    Object,
    Run,
    answer,
    check_once,
    states,
    too_late,
    tracks,
)


def rule(text: str) -> str:
    return f"{HALVES}rules: {{r: {{{text}}}}}"


def test_enter_begins_and_ends_once() -> None:
    run = Run(ENTER)
    assert run.frames(10, [Object(1, OUT)]) == []
    (begun,) = run.frames(10, [Object(1, IN)])
    assert (begun.state, begun.rule, begun.zone) == (EventState.BEGIN, "r", "left")
    assert [track.id for track in begun.tracks] == [1]
    assert begun.evidence_ns is not None
    assert begun.probability > 0.95
    (ended,) = run.frames(10, [Object(1, OUT)])
    assert (ended.state, ended.reason, ended.id) == (EventState.END, EndReason.CLEARED, begun.id)
    assert ended.begin_ns == begun.stamp_ns < ended.stamp_ns
    assert states(run.frames(10, [Object(1, IN)])) == ["begin"]
    assert len({event.id for event in run.events}) == 2


def test_other_labels_and_tentative_tracks_begin_nothing() -> None:
    run = Run(ENTER)
    tentative = Object(2, IN, state=TrackState.TENTATIVE, existence=0.99)
    coasting = Object(3, IN, state=TrackState.COASTING)
    assert run.frames(20, [Object(1, IN, label="tote"), tentative, coasting]) == []


def test_it_is_the_probability_that_counts() -> None:
    """At the edge of the zone, or where the track may be nothing, it takes more to be certain."""
    run = Run(ENTER)
    assert run.frames(10, [Object(1, 0.499, sigma_px=20.0)]) == []
    assert run.frames(10, [Object(2, IN, existence=0.6)]) == []
    assert states(run.frames(10, [Object(3, IN, sigma_px=100.0)])) == ["begin"]


def test_hysteresis_keeps_an_event_that_wavers() -> None:
    run = Run(ENTER)
    run.frames(5, [Object(1, IN)])
    for number in range(40):  # 0.55 and 0.45: one above, one below release
        run.frames(1, [Object(1, 0.4999 if number % 2 else 0.5001, sigma_px=1.0)])
    assert states(run.events) == ["begin"]


def test_dwell_needs_its_time_and_is_reset_by_leaving() -> None:
    run = Run(rule("when: dwell, zone: left, for_s: 1.0"))
    assert run.frames(18, [Object(1, IN)]) == []
    assert run.frames(3, [Object(1, OUT)]) == []
    assert run.frames(18, [Object(1, IN)]) == []
    (begun,) = run.frames(4, [Object(1, IN)])
    assert begun.state is EventState.BEGIN


@examples(30)
@given(st.integers(1, 60), st.booleans())
def test_dwell_goes_on_while_its_object_may_be_hidden(hidden: int, new_id: bool) -> None:
    """Somebody walks past it: the time before counts if it is seen again within ``lost_s``.

    The time between does not: an event needs ``for_s`` in which its object was seen.
    """
    run = Run(rule("when: dwell, zone: left, for_s: 2.0, lost_s: 1.0"))
    assert run.frames(35, [Object(1, IN)]) == []
    assert run.frames(hidden, []) == []
    back = Object(2, IN + 0.005) if new_id else Object(1, IN)
    (begun,) = [e for e in run.frames(60, [back]) if e.state is EventState.BEGIN]
    waited = round((begun.stamp_ns * 1e-9 - 1e5) * 20)  # frames since the first
    assert waited == hidden + (41 if hidden <= 20 else 76)
    assert begun.tracks[0].id == back.key


def test_what_comes_elsewhere_does_not_go_on_dwelling() -> None:
    run = Run(rule("when: dwell, zone: left, for_s: 2.0, lost_s: 1.0"))
    run.frames(35, [Object(1, IN)])
    assert run.frames(38, [Object(2, 0.1)]) == []
    assert states(run.frames(4, [Object(2, 0.1)])) == ["begin"]


def test_a_gap_in_the_frames_is_no_dwelling() -> None:
    run = Run(rule("when: dwell, zone: left, for_s: 2.0"))
    run.frames(5, [Object(1, IN)])
    run.jump(60.0)
    assert run.frames(5, [Object(1, IN)]) == []
    assert states(run.frames(40, [Object(1, IN)])) == ["begin"]


def test_leave_is_a_moment_and_only_of_what_was_inside() -> None:
    run = Run(rule("when: leave, zone: left, hold_s: 0.5"))
    run.frames(5, [Object(1, IN), Object(2, OUT)])
    begun, ended = run.frames(15, [Object(1, OUT), Object(2, OUT)])
    assert [begun.state, ended.state] == [EventState.BEGIN, EventState.END]
    assert [track.id for track in begun.tracks] == [1]
    assert ended.reason is EndReason.OVER


def test_appear_once_for_each_object() -> None:
    run = Run(rule("when: appear, label: person, hold_s: 0.2"))
    run.frames(20, [Object(1, IN)])
    run.frames(20, [Object(1, IN), Object(2, OUT)])
    run.frames(20, [Object(1, OUT)])
    run.frames(20, [Object(1, OUT), Object(2, OUT)])  # was hidden for a while
    assert states(run.events) == ["begin", "end"] * 2


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.UNPARSEABLE, Outcome.ERROR, None])
@pytest.mark.parametrize(
    "text",
    [
        "when: vanish, label: person",
        "when: count, label: person, below: 1",
        "when: missing, label: person, zone: left",
    ],
)
def test_answers_that_say_nothing_prove_no_absence(text: str, outcome: Outcome | None) -> None:
    run = Run(rule(text))
    run.frames(10, [Object(1, IN)])
    assert run.frames(100, [], answers=outcome) == []  # the track has coasted to its end
    assert states(run.frames(20, [], answers=Outcome.EMPTY))[:1] == ["begin"]


def test_an_answer_about_a_part_of_the_image_proves_no_absence() -> None:
    run = Run(ENTER)
    run.frames(5, [Object(1, IN)])
    whole = answer(1.0)
    w, h = whole.grounding.wh
    part = replace(whole.grounding, region=Region((0, 0, w // 2, h), (w, h)))
    for _ in range(3):
        run.engine.answer(replace(whole, grounding=part))
        assert run.frames(40, [], answers=None) == []
    run.engine.answer(whole)
    (ended,) = run.frames(5, [], answers=None)
    assert ended.reason is EndReason.GONE


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, None])
def test_a_danger_that_nobody_looked_at_is_not_over(outcome: Outcome | None) -> None:
    run = Run(ENTER)
    run.frames(5, [Object(1, IN)])
    assert run.frames(100, [], answers=outcome) == []
    (ended,) = run.frames(5, [], answers=Outcome.EMPTY)
    assert (ended.state, ended.reason) == (EventState.END, EndReason.GONE)


def test_ignored_answers_are_no_evidence() -> None:
    run = Run(rule("when: count, label: person, below: 1, answers: 1"))
    for number in range(20):
        run.engine.answer(too_late(number))
        assert run.engine.observe(tracks(1 + number)) == []


def test_an_answer_to_another_query_is_no_evidence_and_ends_what_goes_on() -> None:
    run = Run(ENTER)
    run.frames(5, [Object(1, IN)])
    run.engine.answer(answer(1.0, Outcome.OK, query="tote"))
    (ended,) = run.frames(3, [], answers=None)
    assert ended.reason is EndReason.NOT_ASKED
    assert run.engine.status().not_asked == ("r",)


@pytest.mark.parametrize("time_s", [2.0, 4.0, 9.0])
def test_an_approach_is_told_in_time_of_boxes_known_to_7_percent(time_s: float) -> None:
    """By default at two thirds of the time or more, and never before it."""
    told: dict[str, float] = {}
    for more in ("", ", over_s: 0.6"):
        engine = RuleEngine(
            parse_rules(rule(f"when: approach, label: person, time_s: {time_s}{more}"))
        )
        left_s = 4 * time_s
        while left_s > 0.1 and more not in told:
            height = 600 / left_s
            one = Object(1, 0.5, size_px=(height / 2.5, height), sigma_px=0.07 * height)
            if engine.observe(tracks(1 + 4 * time_s - left_s, [one])):
                told[more] = left_s / time_s
            left_s -= 0.05
    assert 0.65 < told[""] < 1
    assert told[", over_s: 0.6"] <= told[""]


def test_a_rule_follows_what_is_selected() -> None:
    """Each selection is a question of its own: its events end with it, and begin anew."""
    text = HALVES + (
        "rules:\n"
        "  here: {when: enter, label: [person, tote], selected: true, zone: left}\n"
        "  gone: {when: count, label: [person, tote], selected: true, below: 1}\n"
    )
    run = Run(text)
    there = [Object(1, IN), Object(2, OUT, label="tote"), Object(3, IN, label="forklift")]

    def shown(selected: str, objects: list[Object]) -> list[tuple[str, str, str | None]]:
        run.engine.select(selected)
        found = [e for e in run.frames(15, objects) if e.state is not EventState.UPDATE]
        return [(e.rule, e.state.value, e.reason and e.reason.value) for e in found]

    assert shown("", there) == []
    assert shown("Person", there) == [("here", "begin", None)]
    assert shown("tote", there) == [("here", "end", "not_asked")]
    assert shown("tote", there[:1]) == [("gone", "begin", None)]
    assert shown("person", []) == [("gone", "end", "not_asked"), ("gone", "begin", None)]
    assert shown("forklift", there) == [("gone", "end", "not_asked")]
    check_once(run.events)


def test_below_is_counted_by_the_stamps_of_answers() -> None:
    run = Run(rule("when: count, label: person, below: 2, for_s: 1.0"))
    run.frames(20, [Object(1, IN), Object(2, OUT)])
    run.frames(4, [Object(1, IN)], answers=Outcome.OK)
    assert run.frames(40, [Object(1, IN)], answers=Outcome.TIMEOUT) == []
    (begun,) = run.frames(5, [Object(1, IN)])
    assert (begun.state, begun.value, begun.unit) == (
        EventState.BEGIN,
        pytest.approx(0.99),
        "objects",
    )


def test_count_above_by_the_probability_of_the_number() -> None:
    run = Run(rule("when: count, label: person, above: 1, clear_s: 0.1"))
    doubtful = [Object(1, IN, existence=0.85), Object(2, OUT, existence=0.85)]
    assert run.frames(10, doubtful) == []  # both are there with 0.72
    (begun,) = run.frames(10, [Object(1, IN), Object(2, OUT)])
    assert len(begun.tracks) == 2
    assert states(run.frames(10, [Object(1, IN)])) == ["end"]


def test_missing_waits_for_what_hides_its_place() -> None:
    slot = "zones: {slot: {image: [[0.2, 0.4], [0.3, 0.4], [0.3, 0.6], [0.2, 0.6]]}}\n"
    run = Run(slot + "rules: {r: {when: missing, label: tote, zone: slot, point: centre}}")
    tote = Object(1, IN, label="tote")
    person = Object(2, IN, size_px=(120.0, 240.0))
    assert run.frames(20, [tote]) == []
    assert run.frames(40, [person]) == []  # stands in front: nobody knows
    (begun,) = run.frames(20, [])
    assert (begun.state, begun.tracks) == (EventState.BEGIN, ())
    assert run.frames(20, [person]) == []
    assert states(run.frames(20, [tote])) == ["end"]


def test_vanish_is_not_a_changed_id() -> None:
    run = Run(rule("when: vanish, label: person, hold_s: 0.2"))
    run.frames(10, [Object(1, IN)])
    assert run.frames(20, [Object(2, IN + 0.005)]) == []
    begun, ended = run.frames(20, [Object(3, OUT)])
    assert [track.id for track in begun.tracks] == [2]
    assert ended.reason is EndReason.OVER


def test_an_event_goes_on_when_its_object_gets_another_id() -> None:
    run = Run(ENTER.replace("lost_s: 0.2", "lost_s: 1.0"))
    run.frames(10, [Object(1, IN)])
    assert run.frames(3, []) == []
    (update,) = run.frames(10, [Object(9, IN + 0.005)])
    assert update.state is EventState.UPDATE
    assert [track.id for track in update.tracks] == [9]


def test_speed_in_pixels() -> None:
    run = Run(rule("when: speed, above_px_s: 100"))
    for number in range(20):
        run.frames(1, [Object(1, 0.1 + 0.003 * number), Object(2, 0.1 + 0.01 * number)])
    (begun,) = [e for e in run.events if e.state is EventState.BEGIN]
    assert [track.id for track in begun.tracks] == [2]
    assert begun.value == pytest.approx(200, rel=0.05)


@examples(15)
@given(st.floats(0.5, 3.0), st.floats(2.0, 6.0))
def test_time_to_contact_of_an_object_that_comes_nearer(limit_s: float, speed_m_s: float) -> None:
    """A pinhole camera, constant speed: the event begins near the true time to contact."""
    run = Run(rule(f"when: approach, label: person, time_s: {limit_s:.3f}"))
    start_m = speed_m_s * (limit_s + 2.0)
    for number in range(round(20 * (limit_s + 1.9))):
        distance_m = start_m - speed_m_s * number / 20
        size = (60 / distance_m, 120 / distance_m)
        events = run.frames(1, [Object(1, IN, size_px=size, sigma_px=0.05)])
        if events:
            break
    else:
        raise AssertionError("nothing began")
    truth_s = distance_m / speed_m_s
    assert truth_s == pytest.approx(limit_s, abs=0.25)
    assert events[0].value == pytest.approx(truth_s, abs=0.25)
    assert events[0].unit == "s"


def test_what_stands_still_does_not_approach() -> None:
    run = Run(rule("when: approach, label: person, time_s: 3"))
    rng = np.random.default_rng(1)
    for _ in range(300):
        w, h = (80, 160) * (1 + 0.02 * rng.standard_normal(2))
        run.frames(1, [Object(1, IN, size_px=(w, h), sigma_px=3.0)])
    assert run.events == []


@pytest.mark.parametrize("others", [(), (Object(2, OUT),)])
@pytest.mark.parametrize(
    "text",
    [
        "when: approach, label: person, time_s: 4",
        "when: speed, label: person, above_px_s: 20",
        "when: count, label: person, above: 0, where: speed_px_s > 20",
    ],
)
def test_what_the_first_box_says_is_neither_growth_nor_speed(
    text: str, others: tuple[Object, ...]
) -> None:
    """A box of a single answer may be of half a person; the next ones are of all of it."""
    run = Run(rule(text))
    half = Object(1, IN, 0.4, size_px=(40, 90), state=TrackState.TENTATIVE)
    run.frames(5, [half, *others])
    run.frames(100, [Object(1, IN, size_px=(80, 200))])
    assert run.events == []


def test_cool_down_holds_off_the_next_event() -> None:
    run = Run(rule("when: enter, zone: left, clear_s: 0, cool_down_s: 2"))
    for _ in range(6):
        run.frames(5, [Object(1, IN)])
        run.frames(5, [Object(1, OUT)])
    assert states(run.events) == ["begin", "end"] * 2


def test_moments_within_the_cool_down_are_counted() -> None:
    run = Run(rule("when: appear, hold_s: 0.1, cool_down_s: 60"))
    for key in range(1, 6):
        run.frames(5, [Object(key, IN)])
    assert states(run.events) == ["begin", "end"]
    assert run.engine.status().suppressed == 4


def test_a_restart_of_time_ends_every_event() -> None:
    run = Run(ENTER)
    run.frames(10, [Object(1, IN)])
    run.jump(-100.0)
    (ended,) = run.frames(5, [])
    assert ended.reason is EndReason.RESTARTED
    assert states(run.frames(10, [Object(2, IN)])) == ["begin"]
    check_once(run.events)


def test_the_same_frame_twice_counts_once() -> None:
    engine = RuleEngine(parse_rules(ENTER))
    frame = tracks(1.0, [Object(1, IN)])
    assert len(engine.observe(frame)) == 1
    assert engine.observe(frame) == []


def test_closing_ends_every_event() -> None:
    run = Run(ENTER)
    run.frames(10, [Object(1, IN), Object(2, IN + 0.1)])
    assert [event.reason for event in run.took(run.engine.close())] == [EndReason.STOPPED] * 2
    assert run.engine.close() == []
    check_once(run.events)


def test_rules_that_did_not_change_go_on() -> None:
    more = ENTER[:-1] + ", s: {when: appear}}"
    run = Run(ENTER)
    run.frames(10, [Object(1, IN)])
    assert run.took(run.engine.replace(parse_rules(more))) == []
    assert run.engine.status().open == 1
    other = ENTER.replace("label: person", "label: tote")
    (ended,) = run.took(run.engine.replace(parse_rules(other)))
    assert ended.reason is EndReason.RULES_CHANGED
    moved = other.replace("0.5, 0]", "0.6, 0]")  # the zone is part of the rule
    run.frames(10, [Object(1, IN, label="tote")])
    assert len(run.took(run.engine.replace(parse_rules(moved)))) == 1
    check_once(run.events)


def test_each_camera_has_its_own_rules() -> None:
    text = rule("when: enter, zone: left, camera: front")
    for camera, expected in (("front", 1), ("left", 0)):
        engine = RuleEngine(parse_rules(text), camera)
        assert len(engine.observe(tracks(1.0, [Object(1, IN)], camera))) == expected
