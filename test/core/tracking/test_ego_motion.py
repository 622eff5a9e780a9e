# SPDX-License-Identifier: Apache-2.0
"""Boxes stay on their bearings when the camera turns, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.tracking import EgoMotion, Intrinsics, Tracker
from lfmvl_ros.core.tracking.ego_motion import turned

from ...examples import examples

MakeAnswer = Callable[..., Grounding]
LENS = Intrinsics(900.0, 950.0, 640.0, 360.0)
rates = st.tuples(*[st.floats(-2.0, 2.0)] * 3)


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


def turning(rate: tuple[float, float, float], seconds: float = 1.0, hz: float = 100.0) -> EgoMotion:
    ego = EgoMotion(LENS)
    for i in range(int(seconds * hz) + 1):
        ego = ego.with_rate(ns(i / hz), rate)
    return ego


def some_tracks(seed: int, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(count, 8)) * 20
    mean[:, :2] += [640, 360]
    mean[:, 2:4] = rng.uniform(10, 200, (count, 2))
    root = rng.normal(size=(count, 8, 8))
    return mean, root @ root.transpose(0, 2, 1) + np.eye(8)


@given(rates, st.floats(0.0, 0.9), st.floats(0.0, 0.9))
def test_steady_rate_is_one_rotation(
    rate: tuple[float, float, float], start: float, end: float
) -> None:
    low, high = sorted((start, end))
    told = turning(rate).rotation(ns(low), ns(high))
    wanted = Rotation.from_rotvec(-np.array(rate) * (high - low)).as_matrix()
    np.testing.assert_allclose(told, wanted, atol=1e-6)


@given(rates, rates, st.floats(0.1, 0.9))
def test_rotation_in_two_steps_is_the_whole(
    first: tuple[float, float, float], last: tuple[float, float, float], middle: float
) -> None:
    ego, steps = EgoMotion(LENS), np.linspace(0, 1, 201)
    for step in steps:
        ego = ego.with_rate(ns(step), np.array(first) * (1 - step) + np.array(last) * step)
    parts = ego.rotation(ns(middle), ns(1.0)) @ ego.rotation(0, ns(middle))
    whole = ego.rotation(0, ns(1.0))
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    np.testing.assert_allclose(whole @ whole.T, np.eye(3), atol=1e-9)


@given(st.tuples(*[st.floats(-0.3, 0.3)] * 3), st.integers(0, 10**6))
def test_centres_move_as_directions_do(angles: tuple[float, float, float], seed: int) -> None:
    rotation = Rotation.from_rotvec(angles).as_matrix()
    mean, covariance = some_tracks(seed)
    moved, spread = turned(mean, covariance, rotation, LENS, 0.25)
    matrix = np.array([[LENS.fx_px, 0, LENS.cx_px], [0, LENS.fy_px, LENS.cy_px], [0, 0, 1]])
    for before, after in zip(mean, moved, strict=True):
        seen = matrix @ rotation @ np.linalg.inv(matrix) @ [before[0], before[1], 1.0]
        np.testing.assert_allclose(after[:2], seen[:2] / seen[2], rtol=1e-9)
        # The velocity is the derivative of the same mapping.
        step = matrix @ rotation @ np.linalg.inv(matrix) @ [*(before[:2] + before[4:6] * 1e-4), 1.0]
        np.testing.assert_allclose(
            after[4:6], (step[:2] / step[2] - after[:2]) / 1e-4, rtol=1e-2, atol=0.05
        )
    assert (np.linalg.eigvalsh(spread) > 0).all()
    np.testing.assert_allclose(spread, spread.transpose(0, 2, 1))


@given(st.tuples(*[st.floats(-0.3, 0.3)] * 3), st.integers(0, 10**6))
def test_turning_back_restores_places_and_velocities(
    angles: tuple[float, float, float], seed: int
) -> None:
    rotation = Rotation.from_rotvec(angles).as_matrix()
    mean, covariance = some_tracks(seed)
    there, spread = turned(mean, covariance, rotation, LENS, 0.0)
    back, _ = turned(there, spread, rotation.T, LENS, 0.0)
    np.testing.assert_allclose(back[:, [0, 1, 4, 5]], mean[:, [0, 1, 4, 5]], atol=1e-6)


def test_yaw_moves_the_image_the_other_way_and_roll_turns_a_box_on_its_side() -> None:
    mean, covariance = some_tracks(1, 1)
    right = turning((0.0, 0.3, 0.0)).rotation(0, ns(0.5))
    moved, _ = turned(mean, covariance, right, LENS, 0.5)
    assert moved[0, 0] < mean[0, 0] - 100
    lens = Intrinsics(900.0, 900.0, 640.0, 360.0)
    quarter = Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix()
    moved, _ = turned(mean, covariance, quarter, lens, 0.5)
    np.testing.assert_allclose(moved[0, 2:4], mean[0, [3, 2]])


def test_what_is_behind_the_camera_is_in_no_image() -> None:
    mean, covariance = some_tracks(2)
    half_turn = Rotation.from_rotvec([0, np.pi, 0]).as_matrix()
    moved, spread = turned(mean, covariance, half_turn, LENS, 1.0)
    assert (moved[:, :2] > 1e5).all()
    assert np.isfinite(spread).all()


def test_unknown_times_count_as_no_turning() -> None:
    rate = (0.0, 1.0, 0.0)
    np.testing.assert_array_equal(EgoMotion(LENS).rotation(0, ns(1)), np.eye(3))
    ego = turning(rate)
    np.testing.assert_allclose(ego.rotation(ns(-5), 0), np.eye(3))
    np.testing.assert_allclose(ego.rotation(ns(2), ns(3)), np.eye(3))
    # Steady for 0.2 s after the last measurement, then nothing more.
    angle = Rotation.from_matrix(ego.rotation(ns(0.9), ns(9))).magnitude()
    assert angle == pytest.approx(0.3, abs=1e-6)
    gap = EgoMotion(LENS).with_rate(0, rate).with_rate(ns(0.01), rate).with_rate(ns(2), rate)
    assert Rotation.from_matrix(gap.rotation(ns(0.1), ns(1.9))).magnitude() == 0.0


def test_memory_is_bounded_and_time_that_jumps_back_starts_anew() -> None:
    ego = turning((0.1, 0.2, 0.3), seconds=15.0, hz=20.0)
    assert len(ego.stamps_ns) <= 201
    assert len(ego.with_rate(ns(3.0), (0, 0, 0)).stamps_ns) == 1


@given(
    gaps=st.lists(st.floats(0.001, 0.4), min_size=1, max_size=60),
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 20),
)
def test_rates_that_come_in_batches_are_the_same_rates(
    gaps: list[float], seed: int, batch: int
) -> None:
    stamps = np.cumsum([ns(gap) for gap in gaps])
    told = np.random.default_rng(seed).normal(size=(len(gaps), 3))
    single = together = EgoMotion(LENS)
    for stamp, rate in zip(stamps, told, strict=True):
        single = single.with_rate(int(stamp), rate)
    for start in range(0, len(gaps), batch):
        part = slice(start, start + batch)
        together = together.with_rates(stamps[part], told[part])
    np.testing.assert_array_equal(together.stamps_ns, single.stamps_ns)
    np.testing.assert_array_equal(together.rates_rad_s, single.rates_rad_s)


@examples(30)
@given(
    st.lists(st.floats(0.01, 0.19), min_size=1, max_size=30),
    st.floats(-0.5, 5.0),
    st.floats(0.0, 2.0),
    st.integers(0, 10**6),
)
def test_rotation_is_that_of_many_small_steps(
    gaps: list[float], start: float, length: float, seed: int
) -> None:
    stamps = np.cumsum([ns(gap) for gap in gaps])
    told = np.random.default_rng(seed).uniform(-1, 1, (len(gaps), 3))
    ego, step = EgoMotion(LENS).with_rates(stamps, told), length / 500
    times = start + step * (np.arange(500) + 0.5)
    rates = np.stack([np.interp(times * 1e9, stamps, told[:, axis]) for axis in range(3)], axis=1)
    wanted = np.eye(3)
    for time, turn in zip(times, Rotation.from_rotvec(-rates * step).as_matrix(), strict=True):
        if ego.knows(ns(time)):
            wanted = turn @ wanted
    found = ego.rotation(ns(start), ns(start + length))
    # The steps in which knowledge begins and ends count as a whole here, or not at all.
    assert Rotation.from_matrix(found @ wanted.T).magnitude() < 0.01 + 2 * 1.8 * step


def test_what_is_known_begins_with_the_first_rate_and_ends_soon_after_the_last() -> None:
    assert not EgoMotion(LENS).knows(0)
    ego = EgoMotion(LENS).with_rates([ns(1), ns(1.1), ns(2)], np.zeros((3, 3)))
    known = {0.99: False, 1.0: True, 1.05: True, 1.5: False, 2.0: True, 2.2: True, 2.21: False}
    assert {time: ego.knows(ns(time)) for time in known} == known


@pytest.mark.parametrize("stamps", [(2, 1), (1, 1)])
def test_a_batch_in_disorder_is_refused(stamps: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must grow"):
        EgoMotion(LENS).with_rates(stamps, np.zeros((2, 3)))
    assert EgoMotion(LENS).with_rates([], np.zeros((0, 3))).stamps_ns.size == 0


@pytest.mark.parametrize("rate", [(1.0, 2.0), (np.nan, 0, 0), 3.0])
def test_odd_rates_are_refused(rate: object) -> None:
    with pytest.raises(ValueError, match="three finite numbers"):
        EgoMotion(LENS).with_rate(0, rate)


def test_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(ValueError, match="camera_info"):
        Intrinsics(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("known", [False, True])
def test_tracks_stay_on_things_at_rest_while_the_camera_swings(
    answer: MakeAnswer, known: bool
) -> None:
    """Up to 1 rad/s, an answer every 0.25 s that is 0.25 s old; the gyro has noise and a bias."""
    rng, tracker = np.random.default_rng(3), Tracker(TrackerSettings(bridge="predict"))
    points = np.array([[-0.2, 0.05, 1.0], [0.0, 0.0, 1.0], [0.15, -0.1, 1.0]])
    ego, worst, ids = EgoMotion(LENS), 0.0, set()

    def centres(time: float) -> np.ndarray:
        yaw = 0.25 * (1 - np.cos(2 * np.pi * time / 1.5)) - 0.25
        seen = points @ Rotation.from_rotvec([0, -yaw, 0]).as_matrix().T
        return seen[:, :2] / seen[:, 2:] * [900.0, 950.0] + [640.0, 360.0]

    for i in range(600):
        now = i / 100
        rate = 0.25 * 2 * np.pi / 1.5 * np.sin(2 * np.pi * now / 1.5)
        ego = ego.with_rate(ns(now), [0, rate + 0.01 + rng.normal() * 0.02, 0])
        if known:
            tracker.set_ego_motion(ego)
        if i % 25 == 0 and i >= 25:
            boxes = np.concatenate([centres(now - 0.25), np.full((3, 2), 80.0)], axis=1)
            tracker.apply(answer(now - 0.25, boxes, delay_s=0.25))
        if now < 1.5 or i % 4:
            continue
        tracks = tracker.at(ns(now))
        if len(tracks) == 3:
            middle = (tracks.xyxy_px[:, :2] + tracks.xyxy_px[:, 2:]) / 2
            order = np.argsort(middle[:, 0])
            worst = max(worst, float(np.abs(middle[order] - centres(now)).max()))
            ids |= set(tracks.ids.tolist())
    if known:
        assert worst < 25
        assert ids == {1, 2, 3}
    else:
        assert worst > 60
