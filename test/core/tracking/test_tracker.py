# SPDX-License-Identifier: Apache-2.0
"""Life, time and identity: what each kind of answer does to the tracks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from filterpy.common import Q_continuous_white_noise
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import Ignored, Restart, Tracker, Tracks, TrackState

MakeAnswer = Callable[..., Grounding]
BOX = [400.0, 300.0, 60.0, 120.0]
UNREADABLE = (Outcome.UNPARSEABLE, Outcome.TIMEOUT, Outcome.ERROR)


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


def same(a: Tracks, b: Tracks) -> None:
    """Assert that two results agree in everything, to the last bit."""
    assert json.dumps(a.to_dict()) == json.dumps(b.to_dict())
    for name in ("xyxy_px", "scores", "velocity_px_s", "covariance"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def established(answer: MakeAnswer, rate_hz: float = 4.0, count: int = 8) -> tuple[Tracker, float]:
    """Return a tracker that follows one box at rest, and the time of its last answer."""
    tracker = Tracker()
    for i in range(count):
        tracker.apply(answer(i / rate_hz, [BOX]))
    return tracker, (count - 1) / rate_hz


def test_one_track_equals_filterpy(answer: MakeAnswer) -> None:
    """With adaptation off, births, predictions and corrections are those of a KalmanFilter."""
    options = TrackerSettings(noise_adaptation=0.0, box_jitter=0.0, gate_probability=0.9999)
    tracker, rng = Tracker(options), np.random.default_rng(3)
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.H, kalman.R = np.eye(4, 8), np.diag([2.0, 2, 8, 8])
    last = 0.0
    for k, time in enumerate(np.cumsum(rng.uniform(0.15, 0.25, 40))):
        box = np.array([200 + 80 * time, 300, 60, 120]) + rng.normal(size=4)
        tracker.apply(answer(time, [box], sigma_px=2.0))
        dt, last = round(time * 1e9) / 1e9 - last, round(time * 1e9) / 1e9
        if k == 0:
            kalman.x = np.r_[box, np.zeros(4)].reshape(8, 1)
            size = np.sqrt(box[2] * box[3])
            speeds = np.array([1.5, 1.5, 0.4, 0.4]) * size
            kalman.P = np.diag(np.r_[np.diag(kalman.R), speeds**2])
        else:
            width, height = kalman.x[2, 0], kalman.x[3, 0]
            density = options.acceleration**2 * width * height
            f, q = np.eye(8), np.zeros((8, 8))
            for axis, scale in enumerate((1, 1, 1 / 16, 1 / 16)):
                rows = np.ix_([axis, axis + 4], [axis, axis + 4])
                f[axis, axis + 4] = dt
                q[rows] = Q_continuous_white_noise(dim=2, dt=dt, spectral_density=density * scale)
            kalman.predict(F=f, Q=q)
            kalman.update(box)
        tracks = tracker.at(ns(time))
        x1, y1, x2, y2 = tracks.xyxy_px[0]
        got = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
        np.testing.assert_allclose(got, kalman.x[:4, 0], atol=1e-9)
        np.testing.assert_allclose(tracks.covariance[0], kalman.P[:4, :4], rtol=1e-9)


@pytest.mark.parametrize("rate_hz", [4.0, 10.0, 30.0])
def test_default_settings_confirm_and_keep_at_any_rate(answer: MakeAnswer, rate_hz: float) -> None:
    rng = np.random.default_rng(0)
    tracker, ids, confirmed_at = Tracker(), set(), None
    for i in range(int(8 * rate_hz)):
        box = np.array(BOX) + rng.normal(size=4) * 2 + [i / rate_hz * 40, 0, 0, 0]
        missed = i > 2 and rng.random() < 0.08
        tracker.apply(answer(i / rate_hz, [] if missed else [box]))
        tracks = tracker.at(ns(i / rate_hz + 0.02))
        ids |= set(tracks.ids.tolist())
        if confirmed_at is None and TrackState.CONFIRMED in tracks.state:
            confirmed_at = i / rate_hz
    assert ids == {1}
    assert confirmed_at is not None
    assert confirmed_at <= 0.25
    assert tracks.scores[0] > 0.9


@pytest.mark.parametrize("needed", [1, 2, 3, 6])
def test_confirmed_after_the_stated_number_of_answers(answer: MakeAnswer, needed: int) -> None:
    tracker = Tracker(TrackerSettings(confirm_answers=needed))
    states = []
    for i in range(needed + 1):
        tracker.apply(answer(i / 4, [BOX]))
        states.append(tracker.at(ns(i / 4)).state[0])
    assert states[: needed - 1] == [TrackState.TENTATIVE] * (needed - 1)
    assert states[needed - 1 :] == [TrackState.CONFIRMED] * 2


def test_doubtful_sights_confirm_later(answer: MakeAnswer) -> None:
    tracker = Tracker()
    for i in range(2):
        tracker.apply(answer(i / 4, [BOX], scores=0.2))
    assert tracker.at(ns(0.25)).state == (TrackState.TENTATIVE,)
    assert tracker.at(ns(0.25)).scores[0] < 0.25


@pytest.mark.parametrize("allowed", [1, 4, 7])
def test_empty_answers_hide_tracks_after_the_stated_number(
    answer: MakeAnswer, allowed: int
) -> None:
    tracker, last = established(answer)
    tracker.configure(TrackerSettings(max_missed_answers=allowed, max_coast_s=60.0))
    for i in range(1, allowed + 1):
        applied = tracker.apply(answer(last + i / 4))
        tracks = tracker.at(ns(last + i / 4))
        if i < allowed:
            assert tracks.state == (TrackState.COASTING,)
        assert applied.ended == ()
    assert len(tracks) == 0


def test_what_was_hidden_gets_its_id_back_until_its_time_is_over(answer: MakeAnswer) -> None:
    (tracker, last), longest = established(answer), TrackerSettings().max_coast_s
    away = range(1, 7)
    for i in away:
        tracker.apply(answer(last + i / 4))
    assert len(tracker.at(ns(last + 1.5))) == 0
    applied = tracker.apply(answer(last + 1.75, [BOX]))
    assert (applied.ids, applied.born) == ((1,), ())
    assert tracker.at(ns(last + 1.75)).ids.tolist() == [1]
    (tracker, last), ended = established(answer), ()
    for i in range(1, round(longest * 4) + 2):
        assert ended == ()
        ended = tracker.apply(answer(last + i / 4)).ended
    assert ended == (1,)
    assert tracker.apply(answer(last + longest + 0.5, [BOX])).ids == (2,)


@pytest.mark.parametrize(("repeats", "most_s"), [(False, 0.5), (True, 1.5)])
def test_at_30_hz_misses_count_in_time_not_in_answers(
    answer: MakeAnswer, repeats: bool, most_s: float
) -> None:
    """A model whose answers are all alike is believed less that nothing is there, too."""
    rng, tracker = np.random.default_rng(0), Tracker()
    for i in range(60):
        error = rng.normal(size=4) * [1.4, 1.4, 2.8, 2.8]
        tracker.apply(answer(i / 30, [BOX if repeats else BOX + error]))
    last, lived = 59 / 30, 0
    while len(tracker.at(ns(last + lived / 30))):
        lived += 1
        tracker.apply(answer(last + lived / 30))
    assert most_s / 3 < lived / 30 < most_s


@pytest.mark.parametrize("outcome", UNREADABLE)
def test_unreadable_answers_are_no_misses(answer: MakeAnswer, outcome: Outcome) -> None:
    tracker, last = established(answer)
    heard, silent = tracker, established(answer)[0]
    for i in range(1, 6):
        applied = heard.apply(answer(last + i / 4, outcome=outcome))
        assert applied.ignored is None
        assert applied.ended == ()
    now = ns(last + 1.4)
    a, b = heard.at(now), silent.at(now)
    np.testing.assert_allclose(a.xyxy_px, b.xyxy_px, atol=1e-6)
    np.testing.assert_allclose(a.scores, b.scores)
    assert a.ids.tolist() == [1]


def test_truncated_counts_for_what_it_names_only(answer: MakeAnswer) -> None:
    other = [900.0, 300.0, 60.0, 120.0]
    tracker = Tracker()
    for i in range(6):
        tracker.apply(answer(i / 4, [BOX, other]))
    for i in range(6, 12):
        tracker.apply(answer(i / 4, [BOX], outcome=Outcome.TRUNCATED))
    tracks = tracker.at(ns(11 / 4))
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.state[0] is TrackState.CONFIRMED


def test_silence_ends_tracks_after_the_stated_time(answer: MakeAnswer) -> None:
    tracker, last = established(answer)
    longest = TrackerSettings().max_coast_s
    late = tracker.at(ns(last + longest - 0.01))
    assert late.state == (TrackState.COASTING,)
    assert late.scores[0] < tracker.at(ns(last)).scores[0]
    assert len(tracker.at(ns(last + longest + 0.01))) == 0


def test_slow_answers_keep_tracks_longer(answer: MakeAnswer) -> None:
    """An answer every three seconds would end everything if life were 2 s flat."""
    tracker = Tracker()
    for i in range(5):
        tracker.apply(answer(i * 3.0, [BOX], delay_s=3.0))
        assert tracker.at(ns(i * 3.0 + 5.9)).ids.tolist() == [1]


def test_objects_that_leave_end_soon(answer: MakeAnswer) -> None:
    tracker = Tracker()
    for i in range(6):
        tracker.apply(answer(i / 4, [[1060 + 36 * i, 300, 60, 120]]))
    applied = [tracker.apply(answer((6 + i) / 4)) for i in range(2)]
    assert applied[1].ended or applied[0].ended


def test_what_stands_at_the_border_ends_sooner_than_in_the_middle(answer: MakeAnswer) -> None:
    tracker, inside, outside = Tracker(), BOX, [1245.0, 300.0, 60.0, 120.0]
    for i in range(8):
        tracker.apply(answer(i / 4, [inside, outside]))
    middle, border = tracker.at(ns(1.75)).ids.tolist()
    left = {}
    for i in range(1, 5):
        tracker.apply(answer(1.75 + i / 4))
        for key in {middle, border} - set(tracker.at(ns(1.75 + i / 4)).ids.tolist()):
            left.setdefault(key, i)
    assert left == {border: 2, middle: 3}


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
    assert abs(b.velocity_px_s[0, 0] - 100) < 10


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


@settings(max_examples=25, deadline=None)
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


@settings(max_examples=40, deadline=None)
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
