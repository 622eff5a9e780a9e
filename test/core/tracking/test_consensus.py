# SPDX-License-Identifier: Apache-2.0
"""Shift and growth that most points of a box agree on, whatever the others do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.tracking.consensus import Agreed, agreed_motion

from ...examples import examples


def fit(
    offsets: np.ndarray,
    shifts: np.ndarray,
    weight: np.ndarray,
    size: float,
    *,
    expected: tuple[float, float] = (0.0, 0.0),
    sigma: float = 100.0,
    grows: bool = True,
) -> Agreed:
    return agreed_motion(
        offsets[None],
        shifts[None],
        weight[None],
        np.array([size]),
        np.array([[expected]]),
        np.ones((1, 1)),
        np.array([sigma]),
        np.array([grows]),
    )


def grid(size: float, side: int = 8) -> np.ndarray:
    step = ((np.arange(side) + 0.5) / side - 0.5) * size
    return np.stack([a.ravel() for a in np.meshgrid(step, step)], axis=1)


@examples(40)
@given(
    st.floats(-15, 15),
    st.floats(-15, 15),
    st.floats(-0.03, 0.03),
    st.floats(40, 300),
    st.integers(0, 1000),
)
def test_a_third_of_points_gone_astray_changes_little(
    dx: float, dy: float, growth: float, size: float, seed: int
) -> None:
    rng, offsets = np.random.default_rng(seed), grid(size)
    shifts = np.array([dx, dy]) + growth * offsets
    astray = rng.choice(64, 21, replace=False)
    shifts[astray] = rng.uniform(-25, 25, (21, 2))
    agreed = fit(offsets, shifts, np.ones(64), size)
    # Growth is shrunk by a tenth of what it is.
    assert abs(agreed.growth[0] - 1 - growth) < 0.15 * abs(growth) + 0.004
    np.testing.assert_allclose(agreed.shift[0], [dx, dy], atol=0.3 + 0.004 * size)
    assert agreed.support[0] > 0.4


def test_growth_is_left_at_one_where_it_is_not_to_be_measured() -> None:
    offsets = grid(100.0)
    agreed = fit(offsets, 0.02 * offsets, np.ones(64), 100.0, grows=False)
    assert agreed.growth[0] == 1.0
    np.testing.assert_allclose(agreed.shift[0], 0, atol=0.1)


@pytest.mark.parametrize("expected", [(6.0, 0.0), (0.0, 0.0)])
def test_what_was_expected_decides_against_a_larger_group(expected: tuple[float, float]) -> None:
    """Three quarters of the points stand; those that moved win only where they were expected to."""
    offsets, shifts = grid(100.0), np.zeros((64, 2))
    shifts[::4] = [6.0, 0.0]
    agreed = fit(offsets, shifts, np.ones(64), 100.0, expected=expected, sigma=0.5)
    np.testing.assert_allclose(agreed.shift[0], expected, atol=0.1)


def test_points_of_no_weight_and_too_few_points_say_nothing() -> None:
    offsets, shifts = grid(100.0), np.full((64, 2), 5.0)
    weight = np.zeros(64)
    weight[:2] = 1.0
    for few in (weight, np.zeros(64)):
        agreed = fit(offsets, shifts, few, 100.0)
        assert agreed.support[0] == 0.0
        assert agreed.growth[0] == 1.0
        np.testing.assert_array_equal(agreed.shift, 0.0)
