# SPDX-License-Identifier: Apache-2.0
"""Life of tracks: what each kind of answer does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from filterpy.common import Q_continuous_white_noise
from filterpy.kalman import KalmanFilter
from hypothesis import assume, given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.tracking import Tracker, TrackState

from ...examples import examples
from .followed import BOX, UNREADABLE, MakeAnswer, established, ns


def test_one_track_equals_filterpy(answer: MakeAnswer) -> None:
    """With adaptation off, births, predictions and corrections are those of a KalmanFilter."""
    options = TrackerSettings(
        bridge="predict", noise_adaptation=0.0, box_jitter=0.0, gate_probability=0.9999
    )
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


def sure(grounding: Grounding) -> Grounding:
    """Return an answer with calibrated confidences."""
    return replace(grounding, confidence_kind="calibrated")


@examples(30)
@given(least=st.floats(0.05, 1.0), score=st.floats(0.01, 1.0), needed=st.integers(1, 3))
def test_what_every_answer_doubts_is_never_confirmed(
    answer: MakeAnswer, least: float, score: float, needed: int
) -> None:
    """However often it is seen; where confidences are not calibrated, they are not asked.

    Then a score below 0.05 is next to no evidence, and the track may never exist for certain.
    """
    assume(abs(score - least) > 1e-9)
    settings = TrackerSettings(confirm_answers=needed, confirm_confidence=least)
    for calibrated in (True, False):
        tracker, states = Tracker(settings), []
        for i in range(60):
            made = answer(i / 2, [BOX], scores=score)
            tracker.apply(sure(made) if calibrated else made)
            states += tracker.at(ns(i / 2)).state
        if calibrated or score >= 0.05:
            assert (TrackState.CONFIRMED in states) == (score > least or not calibrated)


def test_confirmation_takes_the_mean_confidence_of_the_boxes(answer: MakeAnswer) -> None:
    """A track that begins doubtful is confirmed when its answers grow surer, and stays so."""
    tracker, states = Tracker(), []
    for i, score in enumerate([0.3] * 4 + [0.9] * 4 + [0.3] * 8):
        tracker.apply(sure(answer(i / 2, [BOX], scores=score)))
        states += tracker.at(ns(i / 2)).state
    first = states.index(TrackState.CONFIRMED)
    assert first in (4, 5, 6)
    assert set(states[first:]) == {TrackState.CONFIRMED}
    assert tracker.at(ns(7.5)).scores[0] < 0.4


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
