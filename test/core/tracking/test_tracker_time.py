# SPDX-License-Identifier: Apache-2.0
"""Time: late answers, answers out of order, clocks that jump, what was known when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.timeline import RUN
from lfmvl_ros.core.tracking import Ignored, Restart, Tracker

from .followed import BOX, MakeAnswer, established, ns, same


def test_at_changes_nothing_and_splits(answer: MakeAnswer) -> None:
    quiet, busy = established(answer)[0], established(answer)[0]
    for i in range(100):
        busy.at(ns(1.75 + i / 30))
    same(quiet.at(ns(2.1)), busy.at(ns(2.1)))
    busy.apply(answer(2.0, [BOX]))
    quiet.apply(answer(2.0, [BOX]))
    same(quiet.at(ns(2.5)), busy.at(ns(2.5)))


def test_at_for_an_older_frame_uses_what_was_known_then(answer: MakeAnswer) -> None:
    tracker, _ = established(answer, count=5)
    before = tracker.at(ns(1.1))
    tracker.apply(answer(1.25, [BOX, [900, 300, 60, 120]]))
    assert tracker.at(ns(1.1)).ids.tolist() == before.ids.tolist() == [1]
    assert len(tracker.at(ns(1.3))) == 2
    fresh = Tracker()
    fresh.apply(answer(5.0, [BOX]))
    assert len(fresh.at(ns(1.0))) == 0
    assert len(Tracker().at(0)) == 0


def test_answer_out_of_order_is_put_in_its_place(answer: MakeAnswer) -> None:
    def box(time: float) -> list[list[float]]:
        return [[200 + 100 * time, 300, 60, 120]]

    times = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    ordered, mixed = Tracker(), Tracker()
    for time in times:
        ordered.apply(answer(time, box(time)))
    for time in (0.0, 0.25, 0.75, 0.5, 1.25, 1.0):
        applied = mixed.apply(answer(time, box(time)))
        assert applied.reordered == (time in (0.5, 1.0))
        assert applied.ids == (1,)
        assert applied.ended == ()
    a, b = ordered.at(ns(1.5)), mixed.at(ns(1.5))
    assert a.ids.tolist() == b.ids.tolist() == [1]
    np.testing.assert_allclose(a.xyxy_px, b.xyxy_px, atol=3.0)
    assert abs(b.velocity_px_s[0, 0] - 100) < 15


def test_late_answer_starts_no_track_and_renames_none(answer: MakeAnswer) -> None:
    other = [900.0, 300.0, 60.0, 120.0]
    tracker = Tracker()
    for time in (0.0, 0.25, 0.75):
        tracker.apply(answer(time, [BOX] if time < 0.5 else [BOX, other]))
    assert tracker.at(ns(0.75)).ids.tolist() == [1, 2]
    applied = tracker.apply(answer(0.5, [BOX, other]))
    assert applied.reordered
    assert applied.ids == (1, 0)
    assert (applied.born, applied.ended) == ((), ())
    assert tracker.at(ns(0.75)).ids.tolist() == [1, 2]


def test_ended_track_is_not_revived_by_a_late_answer(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    ended: tuple[int, ...] = ()
    steps = [i for i in range(1, 12) if i != 6]
    for i in steps:
        ended += tracker.apply(answer(last + i / 4)).ended
    assert ended == (1,)
    applied = tracker.apply(answer(last + 6 / 4, [BOX]))
    assert applied.reordered
    assert len(tracker.at(ns(last + steps[-1] / 4))) == 0


def test_two_requests_in_flight_are_as_good_as_one_after_the_other(answer: MakeAnswer) -> None:
    """Answers that overtake each other lead to the tracks that their own order leads to."""
    boxes = [[[300 + 10 * i, 300, 60, 120], [900 - 8 * i, 400, 80, 80]] for i in range(12)]
    answers = [answer(i / 8, each) for i, each in enumerate(boxes)]
    in_order, overtaking = Tracker(), Tracker()
    for i in range(12):
        in_order.apply(answers[i])
        overtaking.apply(answers[i if i < 2 else i + 1 - 2 * (i % 2)])
    same(in_order.at(ns(2.0)), overtaking.at(ns(2.0)))


def test_same_frame_twice_counts_once(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    before = tracker.at(ns(last + 0.2))
    applied = tracker.apply(answer(last, [BOX, [900, 300, 60, 120]]))
    assert applied.ignored is Ignored.DUPLICATE
    assert applied.id_texts == ("", "")
    same(before, tracker.at(ns(last + 0.2)))


def test_older_than_all_that_is_remembered(answer: MakeAnswer) -> None:
    tracker = Tracker()
    tracker.apply(answer(5.0, [BOX]))
    applied = tracker.apply(answer(4.5, [BOX]))
    assert applied.ignored is Ignored.TOO_LATE
    assert tracker.at(ns(5.0)).ids.tolist() == [1]


def test_time_that_jumps_back_restarts_with_new_ids(answer: MakeAnswer) -> None:
    tracker, _ = established(answer, count=40)
    applied = tracker.apply(answer(0.0, [BOX]))
    assert applied.restarted is Restart.TIME_JUMPED_BACK
    assert (applied.ended, applied.born, applied.ids) == ((1,), (2,), (2,))
    assert tracker.at(ns(0.1)).ids.tolist() == [2]


def looped(tracker: Tracker, answer: MakeAnswer, bag_s: list[float]) -> list[int]:
    """Feed a bag's frames, each with an answer about it; return the newest id at each."""
    found = []
    for time_s in bag_s:
        image = Frame(np.zeros((72, 128, 3), np.uint8), ns(time_s))
        tracker.observe(image)
        tracker.apply(answer(time_s, [[128 / 4, 20, 30, 30]], wh=image.wh))
        found.append(max(tracker.observe(image).ids.tolist(), default=0))
    return found


@pytest.mark.parametrize("bridge", ["flow", "predict"])
@pytest.mark.parametrize("span_s", [1.5, 10.0])
def test_a_tracker_by_itself_follows_a_bag_that_loops(
    answer: MakeAnswer, bridge: str, span_s: float
) -> None:
    tracker = Tracker(replace(TrackerSettings(), bridge=bridge))
    bag_s = [100 + i * span_s / 10 for i in range(10)]
    assert set(looped(tracker, answer, bag_s)) == {1}
    again = looped(tracker, answer, bag_s)
    restarted = again.index(2)  # a new id: nothing from the first round is left
    assert restarted == (RUN - 1 if span_s < 2 else 0)
    assert set(again[restarted:]) == {2}


def test_recalling_frames_says_nothing_about_time(answer: MakeAnswer) -> None:
    tracker = Tracker()
    frames = [Frame(np.zeros((72, 128, 3), np.uint8), ns(i / 10)) for i in range(50)]
    for image in frames:
        tracker.observe(image)
    tracker.apply(answer(4.5, [[32, 20, 30, 30]], wh=(128, 72)))
    for image in frames:
        tracker.recall(image)
    assert tracker.at(frames[-1].stamp_ns).ids.tolist() == [1]
    assert len(tracker._bridge) > 0


def test_hours_ahead_all_tracks_have_ended_and_numbers_stay_finite(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    for ahead_s in (3600.0, 2.0**31 - 10):
        tracks = tracker.observe(Frame(np.zeros((72, 128, 3), np.uint8), ns(last + ahead_s)))
        assert len(tracks) == 0
    applied = tracker.apply(answer(2.0**31 - 5, [BOX]))
    assert applied.ended == (1,)
    assert np.isfinite(tracker.at(ns(2.0**31 - 5)).covariance).all()


def test_other_image_size_restarts_and_other_camera_is_refused(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    applied = tracker.apply(answer(last + 0.25, [BOX], wh=(640, 480)))
    assert applied.restarted is Restart.IMAGE_SIZE_CHANGED
    assert tracker.at(ns(last + 0.25)).wh == (640, 480)
    with pytest.raises(ValueError, match="one camera"):
        tracker.apply(answer(last + 0.5, [BOX], camera="rear"))


def test_ids_are_per_tracker_and_never_come_again(answer: MakeAnswer) -> None:
    tracker, seen = Tracker(), set()
    for i in range(30):
        applied = tracker.apply(answer(10.0 + i * 0.25, [[100 + (i * 300) % 1000, 300, 60, 120]]))
        assert not seen & set(applied.born)
        seen |= set(applied.born)
        if i % 7 == 6:
            tracker.reset()
    assert sorted(seen) == list(range(1, max(seen) + 1))
    assert Tracker().apply(answer(0, [BOX])).ids == (1,)
