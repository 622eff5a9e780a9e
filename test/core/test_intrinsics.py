# SPDX-License-Identifier: Apache-2.0
"""The pinhole lens: where points are seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.intrinsics import Intrinsics
from test.examples import examples

LENS = Intrinsics(500.0, 510.0, 320.0, 240.0)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0.05, 1e2))
@examples(100)
def test_a_point_along_a_pixels_ray_is_seen_there(u: float, v: float, z: float) -> None:
    point_m = np.array([(u - LENS.cx_px) / LENS.fx_px, (v - LENS.cy_px) / LENS.fy_px, 1.0]) * z
    np.testing.assert_allclose(LENS.project(point_m), [u, v], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3)])
def test_points_of_any_shape(shape: tuple[int, ...]) -> None:
    points_m = np.full(shape, 2.0)
    found = LENS.project(points_m)
    assert found.shape == (*shape[:-1], 2)
    assert (found == [820.0, 750.0]).all()
