# SPDX-License-Identifier: Apache-2.0
"""What a track is called: goods exchanged in place, labels confused, labels in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.tracking import Applied, Tracker, Tracks

from ...examples import examples
from .followed import BOX, MakeAnswer, ns

RED, BLUE, GREEN = "red tote", "blue tote", "green tote"


def called(
    answer: MakeAnswer, names: list[str], *, rate_hz: float = 4.0, tracker: Tracker | None = None
) -> tuple[Tracker, list[Tracks], list[Applied]]:
    """Answers with one box under each of ``names`` ("": nothing there), and what they lead to."""
    tracker = tracker or Tracker(TrackerSettings(bridge="predict"))
    shown, applied = [], []
    for i, name in enumerate(names):
        boxes = [BOX] if name else []
        applied.append(tracker.apply(answer(i / rate_hz, boxes, name or RED)))
        shown.append(tracker.at(ns(i / rate_hz)))
    return tracker, shown, applied


def test_goods_exchanged_in_place_get_their_label_and_an_id_of_their_own(
    answer: MakeAnswer,
) -> None:
    _, shown, applied = called(answer, [RED] * 12 + [BLUE] * 6)
    first = next(i for i, tracks in enumerate(shown) if tracks.labels == (BLUE,))
    assert 12 + 2 <= first <= 12 + 4
    assert all(tracks.ids.tolist() == [1] for tracks in shown[:first])
    assert all(tracks.ids.tolist() == [2] for tracks in shown[first:])
    assert (applied[first].born, applied[first].ended, applied[first].ids) == ((2,), (1,), (2,))
    assert shown[first].established, "the new object was seen often enough already"
    assert shown[first].age_s.tolist() == [0.0]


def test_score_says_that_a_label_is_in_doubt_before_it_changes(answer: MakeAnswer) -> None:
    _, shown, _ = called(answer, [RED] * 12 + [BLUE] * 8)
    scores = [float(tracks.scores[0]) for tracks in shown]
    last_red = max(i for i, tracks in enumerate(shown) if tracks.labels == (RED,))
    assert scores[11] > 0.95
    assert scores[last_red] < 0.5
    assert scores[-1] > 0.95


def test_confused_answers_change_neither_label_nor_id(answer: MakeAnswer) -> None:
    names = [RED] * 8 + [BLUE, RED, BLUE, RED, GREEN, BLUE] + [RED] * 4
    _, shown, _ = called(answer, names)
    assert {tracks.labels for tracks in shown} == {(RED,)}
    assert {tuple(tracks.ids.tolist()) for tracks in shown} == {(1,)}
    assert shown[-1].scores[0] > 0.95


def test_a_label_in_doubt_from_the_start_is_corrected_under_the_same_id(
    answer: MakeAnswer,
) -> None:
    _, shown, _ = called(answer, [RED, BLUE, BLUE, BLUE])
    assert shown[0].labels == (RED,)
    assert shown[-1].labels == (BLUE,)
    assert {tuple(tracks.ids.tolist()) for tracks in shown} == {(1,)}


def test_what_comes_where_a_track_was_lost_is_judged_anew(answer: MakeAnswer) -> None:
    """Taken away for a second, then something else is there: two answers are enough."""
    _, shown, _ = called(answer, [RED] * 8 + [""] * 4 + [BLUE] * 3)
    assert len(shown[11]) == 0
    assert shown[13].labels == (BLUE,)
    assert shown[13].ids.tolist() == [2]
    _, again, _ = called(answer, [RED] * 8 + [""] * 4 + [RED] * 3)
    assert (again[13].labels, again[13].ids.tolist()) == ((RED,), [1])


def test_seldom_answers_need_no_more_time_to_be_believed_than_often_ones(
    answer: MakeAnswer,
) -> None:
    """Of answers every 5 s each says more: more can have happened since the last one."""
    tracker = Tracker(TrackerSettings(bridge="predict", max_coast_s=20.0))
    _, shown, _ = called(answer, [RED] * 6 + [BLUE] * 4, rate_hz=0.2, tracker=tracker)
    first = next(i for i, tracks in enumerate(shown) if tracks.labels == (BLUE,))
    assert first - 6 <= 2
    assert shown[first].ids.tolist() == [2]


@pytest.mark.parametrize("late", [12, 13, 14, 15, 16])
def test_a_late_answer_about_an_exchange_gives_the_same_ids(answer: MakeAnswer, late: int) -> None:
    names = [RED] * 12 + [BLUE] * 8
    tracker = Tracker(TrackerSettings(bridge="predict"))
    for i, name in enumerate(names):
        if i != late:
            tracker.apply(answer(i / 4, [BOX], name))
    before = tracker.at(ns(19 / 4))
    tracker.apply(answer(late / 4, [BOX], names[late]))
    after = tracker.at(ns(19 / 4))
    assert (before.ids.tolist(), before.labels) == ([2], (BLUE,))
    assert (after.ids.tolist(), after.labels, after.established) == ([2], (BLUE,), [0])


def test_an_answer_that_comes_late_exchanges_nothing(answer: MakeAnswer) -> None:
    """It may start no track; the next answer does what it would have done."""
    tracker, shown, _ = called(answer, [RED] * 12 + [BLUE] * 3)
    assert shown[-1].labels == (RED,)
    applied = tracker.apply(answer(14 / 4 - 0.1, [BOX], BLUE))
    assert applied.reordered
    assert applied.ids in ((1,), (2,))
    tracker.apply(answer(15 / 4, [BOX], BLUE))
    assert tracker.at(ns(15 / 4)).labels == (BLUE,)


@examples(30)
@given(
    st.lists(st.sampled_from([RED, BLUE, GREEN, "crate", ""]), min_size=1, max_size=25),
    st.floats(0.2, 30.0),
    st.floats(0.01, 1.0),
)
def test_whatever_it_is_called_probabilities_are_sound(
    answer: MakeAnswer, names: list[str], rate_hz: float, score: float
) -> None:
    tracker = Tracker(TrackerSettings(bridge="predict"))
    for i, name in enumerate(names):
        tracker.apply(answer(i / rate_hz, [BOX] if name else [], name or RED, scores=score))
        table = tracker._history.table
        assert (table.posterior >= 0).all()
        assert (table.posterior.sum(axis=1) <= 1 + 1e-9).all()
        assert len(table.vocabulary) == table.posterior.shape[1] == len(table.spelling)
        tracks = tracker.at(ns(i / rate_hz))
        assert (tracks.scores <= score + 1e-9).all()
        if len(tracks):
            np.testing.assert_array_less(0, tracks.scores)
