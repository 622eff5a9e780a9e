# SPDX-License-Identifier: Apache-2.0
"""Identity: words, labels, duplicates, and what must hold whatever comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import Ignored, Tracker

from ...examples import examples
from .followed import BOX, UNREADABLE, MakeAnswer, established, ns, same


def test_new_words_end_what_they_do_not_ask_for(answer: MakeAnswer) -> None:
    both = [BOX, [900.0, 300.0, 80.0, 60.0]]
    tracker = Tracker()
    for i in range(4):
        tracker.apply(answer(i / 4, both, ["person", "red tote"]))
    query = Query.parse("Person, pallet", version=2)
    applied = tracker.apply(answer(1.0, outcome=Outcome.TIMEOUT, query=query))
    assert applied.ended == (2,)
    assert tracker.at(ns(1.0)).ids.tolist() == [1]
    stale = tracker.apply(answer(1.25, both, ["person", "red tote"]))
    assert stale.ignored is Ignored.OLD_QUERY
    again = tracker.apply(answer(1.25, [BOX], query=query))
    assert (again.ids, again.ignored) == ((1,), None)


def test_label_follows_the_majority_and_the_query_spells_it(answer: MakeAnswer) -> None:
    tracker, names = Tracker(), []
    written = ["person", "RED  tote", "red tote", "red tote", "person", "red tote"]
    for i, label in enumerate(written):
        tracker.apply(answer(i / 4, [BOX], label))
        tracks = tracker.at(ns(i / 4))
        assert tracks.ids.tolist() == [1]
        names.append(tracks.labels[0])
    assert names == ["person", "person", "red tote", "red tote", "red tote", "red tote"]


def test_two_labels_for_one_thing_stay_two_tracks(answer: MakeAnswer) -> None:
    tracker, rng, seen = Tracker(), np.random.default_rng(1), set()
    for i in range(12):
        boxes = np.array([BOX, BOX]) + rng.normal(size=(2, 4))
        labels = rng.permutation(["person", "red tote"]).tolist()
        applied = tracker.apply(answer(i / 4, boxes, labels))
        seen |= set(zip(labels, applied.ids, strict=True))
    assert seen in ({("person", 1), ("red tote", 2)}, {("person", 2), ("red tote", 1)})


def test_repeated_boxes_of_one_answer_share_a_track(answer: MakeAnswer) -> None:
    near = [BOX[0] + 1, *BOX[1:]]
    applied = Tracker().apply(answer(0, [BOX, near], scores=[0.4, 0.8]))
    assert applied.ids == (1, 1)
    assert applied.born == (1,)


def test_settings_change_while_running(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    changed = replace(tracker.settings, max_coast_s=0.1, max_missed_answers=1)
    tracker.configure(changed)
    assert tracker.settings == changed
    assert len(tracker.at(ns(last + 0.24))) == 1
    assert len(tracker.at(ns(last + 0.26))) == 0


@examples(25)
@given(st.integers(0, 10_000))
def test_order_of_detections_changes_nothing(answer: MakeAnswer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([100, 100, 60, 60], [1180, 620, 80, 80], (6, 4))
    labels = ["person", "red tote"] * 3
    plain, shuffled = Tracker(), Tracker()
    for i in range(5):
        now = boxes + rng.normal(size=boxes.shape) * 3
        scores = rng.uniform(0.2, 1.0, 6)
        order = rng.permutation(6)
        a = plain.apply(answer(i / 4, now, labels, scores=scores))
        b = shuffled.apply(
            answer(i / 4, now[order], [labels[k] for k in order], scores=scores[order])
        )
        assert [a.ids[k] for k in order] == list(b.ids)
        same(plain.at(ns(i / 4 + 0.1)), shuffled.at(ns(i / 4 + 0.1)))


@examples(40)
@given(
    st.lists(
        st.tuples(
            st.floats(-0.5, 2.0),
            st.sampled_from(list(Outcome)),
            st.integers(0, 5),
            st.floats(0.0, 4.0),
        ),
        max_size=15,
    ),
    st.integers(0, 10_000),
)
def test_whatever_comes_the_tracks_are_sound(
    answer: MakeAnswer, story: list[tuple[float, Outcome, int, float]], seed: int
) -> None:
    """Any outcomes, gaps and orders: definite covariances, unique ids, none after its end."""
    tracker, rng, now, newest = Tracker(), np.random.default_rng(seed), 10.0, 0.0
    ended: set[int] = set()
    for step, outcome, count, ahead in story:
        now = max(now + step, 0.0)
        n = count if outcome not in (*UNREADABLE, Outcome.EMPTY) else 0
        boxes = np.column_stack(
            [rng.uniform(0, 1280, n), rng.uniform(0, 720, n), rng.uniform(2, 300, (n, 2))]
        )
        applied = tracker.apply(answer(now, boxes, outcome=outcome, scores=rng.random()))
        assert len(applied.ids) == n
        ended |= set(applied.ended)
        newest = now if applied.restarted else max(newest, now)
        tracks = tracker.at(ns(now + ahead))
        # Asked about the time before an end, the track may still be there.
        assert now + ahead < newest or not ended & set(tracks.ids.tolist())
        covariance = tracks.covariance
        np.testing.assert_array_equal(covariance, covariance.transpose(0, 2, 1))
        assert len(tracks) == 0 or np.linalg.eigvalsh(covariance).min() > 0


def test_an_object_named_twice_is_one_track(answer: MakeAnswer) -> None:
    """Also at its first sight; two that have tracks already may come as close as they like."""
    tracker = Tracker(TrackerSettings(bridge="predict"))
    again = np.array([BOX[0] + 8, BOX[1] - 5, BOX[2] * 1.15, BOX[3]])
    for i in range(6):
        applied = tracker.apply(answer(i / 4, [BOX, again] if i % 2 == 0 else [BOX]))
        assert applied.ids[0] == 1
        assert applied.ids[1:] in ((), (0,))
    assert tracker.at(ns(1.5)).ids.tolist() == [1]
    other = tracker.apply(answer(1.5, [BOX, again], ["person", "red tote"]))
    assert other.ids == (1, 2)


def test_two_that_meet_stay_two(answer: MakeAnswer) -> None:
    tracker = Tracker(TrackerSettings(bridge="predict"))
    for i in range(17):
        apart = abs(8 - i) * 20.0
        boxes = np.array([BOX, BOX])
        boxes[:, 0] += [-apart, apart + 6]
        ids = tracker.apply(answer(i / 4, boxes)).ids
        assert sorted(ids) == [1, 2]
