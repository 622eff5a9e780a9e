# SPDX-License-Identifier: Apache-2.0
"""Answers about a region of the image: they judge what is well inside it, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.tracking import Tracker, TrackState
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.update import apply_answer, carried

from ...examples import examples
from .conftest import WH, make_answer
from .followed import MakeAnswer, ns

PREDICT = TrackerSettings(bridge="predict")
LEFT = Region((0, 0, 640, 360), WH)
INSIDE, OUTSIDE = (200.0, 150.0, 40.0, 60.0), (1000.0, 500.0, 40.0, 60.0)
ACROSS = (640.0, 200.0, 200.0, 100.0)  # its middle is on the region's edge


def about(region: Region | None, answer: Grounding) -> Grounding:
    return replace(answer, region=region)


def tracker_of(answer: MakeAnswer, boxes: list[tuple[float, ...]], count: int = 4) -> Tracker:
    tracker = Tracker(PREDICT)
    for k in range(count):
        tracker.apply(answer(0.5 * k, boxes))
    return tracker


def states(tracker: Tracker, time_s: float) -> dict[int, TrackState]:
    tracks = tracker.at(ns(time_s))
    return dict(zip(tracks.ids.tolist(), tracks.state, strict=True))


def rows_of(table: Table, keep: np.ndarray) -> list[bytes]:
    """Columns of tracks as bytes; what belongs to the table as a whole is left out."""
    columns = [getattr(table, item.name) for item in fields(Table)]
    n = len(table)
    return [c[keep].tobytes() for c in columns if isinstance(c, np.ndarray) and c.shape[:1] == (n,)]


@given(
    seed=st.integers(0, 10_000),
    named=st.booleans(),
)
@examples(40)
def test_tracks_outside_stay_as_they_are(seed: int, named: bool) -> None:
    """Byte for byte what they are without the answer, but for the time."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(20, 160, (7, 2))
    boxes = np.concatenate([rng.uniform((80, 80), (1200, 640), (7, 2)), sizes], axis=1)
    table, cadence = Table(), Cadence((0.5,))
    ids = iter(range(1, 1000))
    for k in range(3):
        moved = boxes + rng.normal(0, 1, boxes.shape)
        step = apply_answer(
            table, make_answer(0.5 * k, moved), cadence, PREDICT, new_id=lambda _: next(ids)
        )
        table = step.table
    inside = LEFT.holds(_corners(carried(table, ns(1.5), PREDICT).mean))
    seen = boxes[LEFT.holds(_corners(boxes))] if named else ()
    after = apply_answer(
        table, about(LEFT, make_answer(1.5, seen)), cadence, PREDICT, new_id=lambda _: next(ids)
    ).table
    without = carried(table, ns(1.5), PREDICT)
    # Predictions from answers only are made when an answer comes; here all are the same.
    without = without.changed(
        alone_mean=np.repeat(without.mean[:, None], 2, axis=1), alone_covariance=without.covariance
    )
    keep = np.isin(after.ids, table.ids[~inside])
    assert set(table.ids[~inside].tolist()) <= set(after.ids.tolist())
    assert rows_of(after, keep) == rows_of(without, ~inside)


def _corners(mean: np.ndarray) -> np.ndarray:
    half = mean[:, 2:4] / 2
    return np.clip(np.concatenate([mean[:, :2] - half, mean[:, :2] + half], axis=1), 0, [*WH, *WH])


def test_only_what_is_inside_is_missed(answer: MakeAnswer) -> None:
    tracker = tracker_of(answer, [INSIDE, OUTSIDE, ACROSS])
    before = tracker.at(ns(1.5))
    for k in range(6):
        tracker.apply(about(LEFT, answer(2.0 + 0.1 * k)))
    after = tracker.at(ns(2.5))
    existed = [before.existence[key] for key in (1, 2, 3)]
    inside = [key for key in (1, 2, 3) if LEFT.holds(before.xyxy_px)[key - 1]]
    assert len(inside) == 1
    for key in (1, 2, 3):
        if key in inside:
            assert key not in after.ids.tolist() or after.existence[key] < existed[key - 1]
        else:
            assert after.existence[key] == existed[key - 1]


def test_whole_answers_alone_make_the_cadence(answer: MakeAnswer) -> None:
    """A track that only answers about the whole image see does not coast between them."""
    plain, zoomed = tracker_of(answer, [OUTSIDE]), tracker_of(answer, [OUTSIDE])
    for k in range(4):
        time_s = 2.0 + 0.5 * k
        plain.apply(answer(time_s, [OUTSIDE], delay_s=0.2))
        zoomed.apply(answer(time_s, [OUTSIDE], delay_s=0.2))
        for part in (0.1, 0.2, 0.3):
            zoomed.apply(about(LEFT, answer(time_s + part, delay_s=0.001)))
    for time_s in (3.9, 4.3, 4.7, 5.2):
        assert states(zoomed, time_s) == states(plain, time_s)
        np.testing.assert_allclose(
            zoomed.at(ns(time_s)).scores, plain.at(ns(time_s)).scores, rtol=1e-9
        )


def test_a_track_seen_closely_is_not_missed_by_the_whole_image(answer: MakeAnswer) -> None:
    tracker = Tracker(PREDICT)
    for k in range(4):
        tracker.apply(answer(0.5 * k))
        tracker.apply(about(LEFT, answer(0.5 * k + 0.25, [INSIDE])))
    assert states(tracker, 1.75) == {1: TrackState.CONFIRMED}
    tracker.apply(answer(2.0))
    tracker.apply(answer(2.25))
    assert states(tracker, 2.25) == {1: TrackState.CONFIRMED}
    # A region of the same size that does not show it does count, as often as ever.
    for k in range(3):
        tracker.apply(about(LEFT, answer(2.5 + 0.25 * k)))
    assert states(tracker, 3.0) == {}


def test_a_track_seen_closely_waits_for_its_turn(answer: MakeAnswer) -> None:
    """It lives twice as long unseen as one that any answer could see."""
    tracker = tracker_of(answer, [INSIDE, OUTSIDE])
    tracker.apply(about(LEFT, answer(2.0, [INSIDE])))
    for k in range(20):  # about another part, so that nobody is missed
        right = Region((640, 0, 1280, 300), WH)
        tracker.apply(about(right, answer(2.25 + 0.25 * k)))
        assert (1 in states(tracker, 2.25 + 0.25 * k)) == (0.25 + 0.25 * k <= 4)
        assert (2 in states(tracker, 2.25 + 0.25 * k)) == (0.75 + 0.25 * k <= 2)


def test_a_track_that_the_whole_image_sees_again_is_missed_by_it(answer: MakeAnswer) -> None:
    tracker = tracker_of(answer, [INSIDE])
    tracker.apply(about(LEFT, answer(2.0, [INSIDE])))
    tracker.apply(answer(2.5, [INSIDE]))
    for k in range(3):
        tracker.apply(answer(3.0 + 0.5 * k))
    assert states(tracker, 4.0) == {}


def test_a_region_starts_tracks(answer: MakeAnswer) -> None:
    tracker = tracker_of(answer, [OUTSIDE])
    for k in range(2):
        applied = tracker.apply(about(LEFT, answer(2.0 + 0.5 * k, [INSIDE])))
    assert applied.ids == (2,)
    assert states(tracker, 2.5)[2] is TrackState.CONFIRMED


def test_part_of_a_track_that_goes_on_outside_is_no_other_object(answer: MakeAnswer) -> None:
    """The model may end the box of a cut object before the edge."""
    tracker = tracker_of(answer, [ACROSS])
    part = (580.0, 200.0, 70.0, 95.0)
    for k in range(3):
        applied = tracker.apply(about(LEFT, answer(2.0 + 0.25 * k, [part])))
        assert applied.ids == (0,)
    assert list(states(tracker, 2.5)) == [1]
    np.testing.assert_allclose(tracker.at(ns(2.5)).xyxy_px, [[540, 150, 740, 250]], atol=4)
    other = tracker.apply(about(LEFT, answer(3.0, [part], labels="red tote")))
    assert other.born == (2,)


def test_regions_of_one_frame_are_different_answers(answer: MakeAnswer) -> None:
    tracker = tracker_of(answer, [INSIDE])
    assert tracker.apply(about(LEFT, answer(2.0, [INSIDE]))).ignored is None
    assert tracker.apply(answer(2.0, [INSIDE])).ignored is None
    assert tracker.apply(about(LEFT, answer(2.0, [INSIDE]))).ignored is not None


def test_a_late_answer_about_a_region_keeps_the_order(answer: MakeAnswer) -> None:
    answers = [
        answer(0.0, [INSIDE, OUTSIDE]), answer(0.5, [INSIDE, OUTSIDE]),
        about(LEFT, answer(0.75, [INSIDE])), answer(1.0, [INSIDE, OUTSIDE]),
        answer(1.5, [INSIDE, OUTSIDE]),
    ]  # fmt: skip
    ordered, late = Tracker(PREDICT), Tracker(PREDICT)
    for each in answers:
        ordered.apply(each)
    for place in (0, 1, 3, 2, 4):
        assert late.apply(answers[place]).ignored is None
    a, b = ordered.at(ns(1.6)), late.at(ns(1.6))
    assert a.ids.tolist() == b.ids.tolist()
    np.testing.assert_allclose(a.xyxy_px, b.xyxy_px, atol=1e-6)


@pytest.mark.parametrize("bridge", ["predict", "flow"])
def test_a_region_of_the_whole_image_is_the_whole_image(answer: MakeAnswer, bridge: str) -> None:
    everything = Region((0, 0, *WH), WH)
    plain, zoomed = Tracker(TrackerSettings(bridge=bridge)), Tracker(TrackerSettings(bridge=bridge))
    for k in range(6):
        boxes = [INSIDE, OUTSIDE][: 1 + k % 2]
        plain.apply(answer(0.5 * k, boxes))
        zoomed.apply(about(None if k == 0 else everything, answer(0.5 * k, boxes)))
        a, b = plain.at(ns(0.5 * k)), zoomed.at(ns(0.5 * k))
        assert a.xyxy_px.tobytes() == b.xyxy_px.tobytes()
        assert a.ids.tolist() == b.ids.tolist()
