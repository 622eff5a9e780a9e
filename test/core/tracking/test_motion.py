# SPDX-License-Identifier: Apache-2.0
"""The array filter against filterpy's, one track at a time, and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.common import Q_continuous_white_noise, van_loan_discretization
from filterpy.kalman import KalmanFilter
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.tracking.motion import _UNIT_NOISE, correct, predict, shrink_velocity

seconds = st.floats(0.0, 5.0)
seeds = st.integers(0, 2**32 - 1)


def random_tracks(seed: int, n: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, 8)) * 100
    root = rng.normal(size=(n, 8, 8)) * 5
    covariance = root @ root.transpose(0, 2, 1) + np.eye(8)
    return mean, covariance, rng.uniform(1, 1e4, (n, 4))


def reference(mean: np.ndarray, covariance: np.ndarray) -> KalmanFilter:
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.x, kalman.P = mean.reshape(8, 1).copy(), covariance.copy()
    kalman.H = np.eye(4, 8)
    return kalman


def block_model(transition: np.ndarray, unit: np.ndarray, noise: np.ndarray) -> tuple:
    """Spread the model of one axis (position, velocity) over four."""
    f, q = np.zeros((8, 8)), np.zeros((8, 8))
    for axis in range(4):
        rows = np.ix_([axis, axis + 4], [axis, axis + 4])
        f[rows], q[rows] = transition, unit * noise[axis]
    return f, q


def test_equals_filterpy_over_many_steps() -> None:
    rng = np.random.default_rng(5)
    mean, covariance, noise = random_tracks(1, 1)
    kalman = reference(mean[0], covariance[0])
    for _ in range(200):
        dt = float(rng.uniform(0.01, 1.0))
        f, q = block_model(
            np.array([[1, dt], [0, 1]]), Q_continuous_white_noise(dim=2, dt=dt), noise[0]
        )
        kalman.predict(F=f, Q=q)
        mean, covariance = predict(
            mean, covariance, noise, steady_s=np.array([dt]), coasting_s=np.zeros(1), decay_s=1.0
        )
        root = rng.normal(size=(4, 4))
        error = root @ root.T + np.eye(4)
        measured = mean[:, :4] + rng.normal(size=(1, 4)) * 10
        kalman.update(measured[0], R=error)
        mean, covariance = correct(mean, covariance, measured, error[None])
        np.testing.assert_allclose(mean[0], kalman.x[:, 0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(covariance[0], kalman.P, rtol=1e-9, atol=1e-9)


@given(st.floats(1e-5, 2.0), st.floats(0.5, 20.0), seeds)
def test_fading_velocity_equals_van_loan(dt: float, decay_s: float, seed: int) -> None:
    """Over at most four time constants; beyond, van Loan's matrix exponential loses digits."""
    mean, covariance, noise = random_tracks(seed, 1)
    f, q = van_loan_discretization(
        np.array([[0, 1], [0, -1 / decay_s]]), np.array([[0.0], [1.0]]), dt
    )
    kalman = reference(mean[0], covariance[0])
    kalman.predict(**dict(zip("FQ", block_model(f, q, noise[0]), strict=True)))
    got_mean, got = predict(
        mean,
        covariance,
        noise,
        steady_s=np.zeros(1),
        coasting_s=np.array([dt]),
        decay_s=decay_s,
    )
    np.testing.assert_allclose(got_mean[0], kalman.x[:, 0], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(got[0], kalman.P, rtol=1e-6, atol=1e-6)


@given(seconds, seconds, st.floats(0.0, 1.0), seeds)
def test_splitting_a_prediction_changes_nothing(
    steady: float, coasting: float, cut: float, seed: int
) -> None:
    mean, covariance, noise = random_tracks(seed)
    at = cut * (steady + coasting)
    first = (min(at, steady), max(at - steady, 0.0))
    second = (steady - first[0], coasting - first[1])

    def go(state: tuple, step: tuple[float, float]) -> tuple:
        full = [np.full(3, part) for part in step]
        return predict(*state, noise, steady_s=full[0], coasting_s=full[1], decay_s=0.7)

    once = go((mean, covariance), (steady, coasting))
    twice = go(go((mean, covariance), first), second)
    np.testing.assert_allclose(once[0], twice[0], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(once[1], twice[1], rtol=1e-8, atol=1e-5)


@given(seconds, seconds, seeds)
def test_covariance_stays_symmetric_positive_definite(
    steady: float, coasting: float, seed: int
) -> None:
    mean, covariance, noise = random_tracks(seed)
    for _ in range(5):
        mean, covariance = predict(
            mean,
            covariance,
            noise,
            steady_s=np.full(3, steady),
            coasting_s=np.full(3, coasting),
            decay_s=0.3,
        )
        np.testing.assert_array_equal(covariance, covariance.transpose(0, 2, 1))
        assert np.linalg.eigvalsh(covariance).min() > 0
        error = np.broadcast_to(np.eye(4) * 1e-4, (3, 4, 4))
        mean, covariance = correct(mean, covariance, mean[:, :4] + 1.0, error)
        np.testing.assert_array_equal(covariance, covariance.transpose(0, 2, 1))
        assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize(("speed", "low", "high"), [(0.0, 0, 0), (1.0, 0, 1.0), (1000, 990, 1000)])
def test_only_uncertain_velocity_is_shrunk(speed: float, low: float, high: float) -> None:
    mean = np.array([[0, 0, 10, 10, speed, 0, 0, 0]], float)
    shrunk = shrink_velocity(mean, np.eye(8)[None] * 25.0)
    assert low <= shrunk[0, 4] <= high
    np.testing.assert_array_equal(shrunk[0, :4], mean[0, :4])


def test_the_noise_of_a_second_is_filterpys() -> None:
    assert np.array_equal(_UNIT_NOISE, Q_continuous_white_noise(dim=2, dt=1.0))
