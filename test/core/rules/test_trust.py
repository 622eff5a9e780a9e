# SPDX-License-Identifier: Apache-2.0
"""Calibrated confidences are probabilities: an event begins only where they say that it is true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.rules import EventState

from ...examples import examples
from .scenes import ENTER, HALVES, IN, OUT, Object, Run, states

SURE, DOUBTED = 0.95, 0.6  # scores of tracks that certainly exist, as far as answers are counted


def rule(text: str) -> str:
    return f"{HALVES}rules: {{r: {{{text}}}}}"


@pytest.mark.parametrize("kind", ["token", "constant", "calibrated"])
@pytest.mark.parametrize(
    "text",
    [
        "when: enter, zone: left",
        "when: dwell, zone: left, for_s: 1",
        "when: leave, zone: left",
        "when: appear, label: person",
        "when: vanish, label: person",
        "when: count, label: person, above: 0, zone: left",
        "when: speed, label: person, above_px_s: 100",
    ],
)
def test_what_is_doubted_begins_no_event_where_doubts_are_probabilities(
    text: str, kind: str
) -> None:
    for score, expected in ((SURE, True), (DOUBTED, kind != "calibrated")):
        run = Run(rule(text), confidence_kind=kind)
        run.frames(40, [Object(1, IN, score=score)])
        run.frames(40, [Object(1, OUT, score=score)])
        run.frames(80, [])
        assert bool(run.events) is expected, (score, kind)


@pytest.mark.parametrize("more", ["review: true", "where: confidence > 0.5"])
def test_a_rule_that_judges_confidence_itself_begins_as_it_says(more: str) -> None:
    run = Run(rule(f"when: enter, zone: left, {more}"), confidence_kind="calibrated")
    (begun,) = run.frames(5, [Object(1, IN, score=DOUBTED)])
    assert begun.probability == pytest.approx(0.99, abs=0.01)


def test_where_people_judge_confidences_events_begin() -> None:
    run = Run(ENTER, confidence_kind="calibrated")
    run.engine.let_people_judge(True)
    assert states(run.frames(5, [Object(1, IN, score=DOUBTED)])) == ["begin"]
    run.engine.let_people_judge(False)
    assert run.frames(5, [Object(1, IN, score=DOUBTED), Object(2, IN, 0.8, score=DOUBTED)]) == []


def test_what_is_doubted_still_argues_against_an_absence() -> None:
    run = Run(rule("when: missing, label: person, zone: left"), confidence_kind="calibrated")
    assert run.frames(60, [Object(1, IN, score=DOUBTED)]) == []
    assert states(run.frames(60, [])) == ["begin"]


def test_an_event_outlasts_a_doubt() -> None:
    run = Run(ENTER, confidence_kind="calibrated")
    (begun,) = run.frames(5, [Object(1, IN, score=SURE)])
    events = run.frames(60, [Object(1, IN, score=0.3)])
    assert states([begun, *events]) == ["begin"]
    assert begun.probability == pytest.approx(SURE, abs=0.01)
    assert events[-1].state is EventState.UPDATE
    assert events[-1].probability == pytest.approx(0.3, abs=0.01)
    assert states(run.frames(60, [Object(1, OUT, score=SURE)])) == ["end"]


def test_a_doubted_track_takes_over_the_event_of_a_lost_one() -> None:
    run = Run(ENTER.replace("lost_s: 0.2", "lost_s: 1.0"), confidence_kind="calibrated")
    run.frames(5, [Object(1, IN, score=SURE)])
    (update,) = run.frames(10, [Object(2, IN + 0.005, score=DOUBTED)])
    assert update.state is EventState.UPDATE
    assert [track.id for track in update.tracks] == [2]


def test_a_dwell_is_counted_from_when_it_is_believed() -> None:
    run = Run(rule("when: dwell, zone: left, for_s: 1.0"), confidence_kind="calibrated")
    assert run.frames(40, [Object(1, IN, score=DOUBTED)]) == []
    assert run.frames(18, [Object(1, IN, score=SURE)]) == []
    assert states(run.frames(4, [Object(1, IN, score=SURE)])) == ["begin"]


def test_what_was_doubted_for_long_appears_when_it_is_believed() -> None:
    run = Run(rule("when: appear, label: person, zone: left"), confidence_kind="calibrated")
    assert run.frames(60, [Object(1, IN, score=DOUBTED), Object(2, OUT, score=SURE)]) == []
    (begun,) = run.frames(5, [Object(1, IN, score=SURE), Object(2, IN, score=SURE)])
    assert [track.id for track in begun.tracks] == [1]  # 2 was there before, elsewhere


def test_the_newest_answer_says_what_scores_are() -> None:
    run = Run(ENTER, confidence_kind="calibrated")
    assert run.frames(5, [Object(1, IN, score=DOUBTED)]) == []
    other = Run(ENTER)
    other.frames(1, [], answers=Outcome.OK)
    assert states(other.frames(5, [Object(1, IN, score=DOUBTED)])) == ["begin"]


@examples(80)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.05, 0.95))
def test_it_begins_at_its_probability(score: float, existence: float, needed: float) -> None:
    """A score is at most the existence; a higher one, as of another moment, adds nothing."""
    text = f"when: enter, zone: left, probability: {needed:.3f}, release: 0.01"
    run = Run(rule(text), confidence_kind="calibrated")
    run.frames(10, [Object(1, IN, score=score, existence=existence)])
    believed = min(score, existence)
    if abs(believed - round(needed, 3)) > 1e-3:
        assert bool(run.events) == (believed >= needed)
