# SPDX-License-Identifier: Apache-2.0
"""Boxes: conversions undo each other, overlaps agree with counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lfmvl_ros.core import boxes as bx

WH = (64, 48)


@st.composite
def pixel_boxes(draw: st.DrawFn, max_size: int = 5) -> bx.FloatArray:
    """Boxes with integer corners inside a small image, at least a pixel on each side."""
    xs = st.lists(st.integers(0, WH[0]), min_size=2, max_size=2, unique=True).map(sorted)
    ys = st.lists(st.integers(0, WH[1]), min_size=2, max_size=2, unique=True).map(sorted)
    pairs = draw(st.lists(st.tuples(xs, ys), max_size=max_size))
    return bx.as_xyxy([[x1, y1, x2, y2] for (x1, x2), (y1, y2) in pairs])


def mask(box: bx.FloatArray) -> np.ndarray:
    image = np.zeros((WH[1], WH[0]), dtype=bool)
    x1, y1, x2, y2 = box.astype(int)
    image[y1:y2, x1:x2] = True
    return image


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(-1e4, 1e4))
)
def test_centre_form_and_back(xyxy: bx.FloatArray) -> None:
    np.testing.assert_allclose(bx.cxcywh_to_xyxy(bx.xyxy_to_cxcywh(xyxy)), xyxy, atol=1e-9)


@given(pixel_boxes(), st.tuples(st.integers(1, 4000), st.integers(1, 4000)))
def test_normalised_and_back(xyxy: bx.FloatArray, wh: tuple[int, int]) -> None:
    np.testing.assert_allclose(bx.normalise(xyxy, wh) * (*wh, *wh), xyxy, atol=1e-9)


def test_normalise_divides_x_by_width_and_y_by_height() -> None:
    shares = bx.normalise(bx.as_xyxy([[160, 120, 640, 480]]), (640, 480))
    assert shares.tolist() == [[0.25, 0.25, 1.0, 1.0]]


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6)))
def test_clipped_boxes_lie_inside_and_clipping_again_changes_nothing(xyxy: bx.FloatArray) -> None:
    clipped = bx.clip(xyxy, WH)
    assert (clipped >= 0).all()
    assert (clipped <= [*WH, *WH]).all()
    np.testing.assert_array_equal(bx.clip(clipped, WH), clipped)


@given(pixel_boxes(), pixel_boxes())
def test_iou_is_what_counting_pixels_gives(a: bx.FloatArray, b: bx.FloatArray) -> None:
    iou = bx.iou_matrix(a, b)
    assert iou.shape == (len(a), len(b))
    for i, j in np.ndindex(iou.shape):
        p, q = mask(a[i]), mask(b[j])
        assert iou[i, j] == pytest.approx((p & q).sum() / (p | q).sum())


def test_boxes_without_area_overlap_nothing() -> None:
    flat = bx.as_xyxy([[1, 1, 1, 5], [5, 5, 2, 2]])
    assert bx.area(flat).tolist() == [0.0, 0.0]
    assert not bx.iou_matrix(flat, flat).any()


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), ()])
def test_no_boxes_keep_their_shape(empty: object) -> None:
    none = bx.as_xyxy(empty)  # type: ignore[arg-type]
    assert none.shape == (0, 4)
    assert bx.iou_matrix(none, bx.as_xyxy([[0, 0, 1, 1]])).shape == (0, 1)
    assert bx.xyxy_to_cxcywh(none).shape == bx.cxcywh_to_xyxy(none).shape == (0, 4)


@pytest.mark.parametrize("wrong", [[1, 2, 3, 4], [[1, 2, 3]], [[[1, 2, 3, 4]]]])
def test_other_shapes_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        bx.as_xyxy(wrong)  # type: ignore[arg-type]


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), max_size=5))
def test_greedy_pairs_are_one_to_one_and_nothing_better_is_left(rows: list[list[float]]) -> None:
    overlaps = np.array(rows, np.float64).reshape(-1, 3)
    pairs = bx.match_greedily(overlaps, 0.5)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    values = [overlaps[pair] for pair in pairs]
    assert values == sorted(values, reverse=True)
    left = overlaps.copy()
    for row, column in pairs:
        left[row, :] = left[:, column] = 0.0
    assert not (left >= 0.5).any()
