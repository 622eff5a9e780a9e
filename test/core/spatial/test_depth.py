# SPDX-License-Identifier: Apache-2.0
"""Depth images: what a depth is, however an image is made; the samples taken of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lfmvl_ros.core.spatial import depth as depth_module
from lfmvl_ros.core.spatial.depth import DepthImage, median, sample_patch

from ...examples import examples

seeds = st.integers(0, 2**32 - 1)


def test_depth_of_both_encodings_and_what_is_no_depth() -> None:
    mm = np.array([[0, 1000], [65535, 1]], np.uint16)
    image = DepthImage.from_mm(mm, stamp_ns=5)
    assert np.allclose(image.depth_m, [[np.nan, 1.0], [65.535, 0.001]], equal_nan=True)
    metres = np.array([[0.0, 1.0], [np.inf, -1.0]], np.float32)
    ranged = DepthImage.from_m(metres, 5).depth_m
    assert np.allclose(ranged, [[np.nan, 1.0], [np.nan, np.nan]], equal_nan=True)
    assert np.isnan(DepthImage.from_m(metres, 5, near_m=1.5).depth_m).all()
    absurd = np.array([[1e-39, 1e-30], [1e30, 0.001]], np.float32)
    assert np.allclose(
        DepthImage.from_m(absurd, 5).depth_m, [[np.nan, np.nan], [np.nan, 0.001]], equal_nan=True
    )
    with pytest.raises(ValueError, match="must be uint16, got float32"):
        DepthImage.from_mm(metres, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="float32 array"):
        DepthImage(np.zeros((2, 2)), 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="stamp_ns"):
        DepthImage(metres, 1.5)  # type: ignore[arg-type]


floats = st.floats(width=32) | st.sampled_from(
    [0.0, -0.0, 1e-3, 9e-4, 1e3, 1.1e3, np.inf, -np.inf, np.nan, -np.nan, 1e-42, 3e38]
)
matrices = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=floats
)


@examples(300)
@given(matrices)
def test_an_image_has_depths_of_1_mm_to_1_km_however_it_is_made(depth: np.ndarray) -> None:
    image = DepthImage.from_m(depth, 0)
    has = ~np.isnan(image.depth_m)
    assert ((image.depth_m[has] >= 0.00099) & (image.depth_m[has] <= 1001)).all()
    assert (image.depth_m[has] == depth[has]).all()
    if has.sum() == (~np.isnan(depth)).sum():
        assert DepthImage(depth, 0).depth_m is depth
    else:
        with pytest.raises(ValueError, match="must be 1 mm to 1 km or NaN, got"):
            DepthImage(depth, 0)
        with pytest.raises(ValueError, match="must be 1 mm to 1 km or NaN, got"):
            replace(image, depth_m=depth)


def test_depths_are_looked_at_once(monkeypatch) -> None:
    """Not again when the frame of an image is named, as each image's is."""
    looked = []
    is_depth = depth_module._is_depth
    monkeypatch.setattr(
        depth_module, "_is_depth", lambda *args: looked.append(args) or is_depth(*args)
    )
    replace(DepthImage.from_m(np.ones((2, 2)), 0), frame_id="camera")
    assert len(looked) == 1
    replace(replace(DepthImage(np.ones((2, 2), np.float32), 0), frame_id="camera"), stamp_ns=1)
    assert len(looked) == 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_depth_does_not_matter(order: str) -> None:
    mm, metres = np.array([[1500, 0]], f"{order}u2"), np.array([[1.5, np.nan]], f"{order}f4")
    for image in (DepthImage.from_mm(mm, 0), DepthImage.from_m(metres, 0)):
        assert image.depth_m.dtype.isnative
        assert np.allclose(image.depth_m, [[1.5, np.nan]], equal_nan=True)


@pytest.mark.parametrize("kind", ["u2", "i4", "?", "c8", "O", "U3"])
def test_millimetres_and_what_is_no_number_are_not_taken_for_metres(kind: str) -> None:
    with pytest.raises(ValueError, match=r"must be floats, got .*from_mm takes millimetres"):
        DepthImage.from_m(np.ones((2, 2)).astype(kind), 0)


@pytest.mark.parametrize(("near", "far"), [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.nan)])
def test_limits_that_leave_nothing_are_refused(near: float, far: float) -> None:
    with pytest.raises(ValueError, match="near_m must be below far_m"):
        DepthImage.from_m(np.ones((2, 2)), 0, near_m=near, far_m=far)


def test_what_a_float32_can_not_hold_is_no_depth() -> None:
    with np.errstate(all="raise"):
        assert np.isnan(DepthImage.from_m(np.array([[1e300, -1e300]]), 0).depth_m).all()


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-9, 9)))
def test_the_quick_median_is_the_lower_median(values: np.ndarray) -> None:
    assert median(values) == np.sort(values)[(len(values) - 1) // 2]


@given(seeds, st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]), st.integers(3, 59))
def test_samples_are_lower_medians_of_the_valid_pixels_around(
    seed: int, holes: float, side: int
) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 9, (70, 80)).astype(np.float32)
    depth[rng.random(depth.shape) < holes] = np.nan
    patch = sample_patch(depth, np.array([9.0, 7.0, 9.0 + side, 7.0 + side]))
    assert patch is not None
    for row, v in enumerate(patch.v_px.astype(int)):
        for column, u in enumerate(patch.u_px.astype(int)):
            near = np.sort(depth[v - 1 : v + 2, u - 1 : u + 2].ravel())
            near = near[~np.isnan(near)]
            wanted = np.float32(1) / near[(len(near) - 1) // 2] if len(near) else np.float32(0)
            assert patch.inverse[row, column] == wanted
            assert not np.signbit(patch.inverse[row, column])
