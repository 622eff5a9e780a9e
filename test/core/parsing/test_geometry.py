# SPDX-License-Identifier: Apache-2.0
"""The unit of an answer, and how uncertain its printed numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.parsing.geometry import SIGMA_FLOOR_PX
from lfmvl_ros.core.parsing.scales import decide_scale

from ..replies import parse

WH = (640, 480)


@st.composite
def unit_boxes(draw: st.DrawFn, reach: int = 0) -> FloatArray:
    """1 to 12 boxes that lie spread over the image as objects do.

    Right and lower sides of some of them lie beyond ``reach`` thousandths.
    """
    side = st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted)
    pairs = draw(st.lists(st.tuples(side, side), min_size=1, max_size=12))
    boxes = np.array([[x1, y1, x2, y2] for (x1, x2), (y1, y2) in pairs])
    for column in (2, 3):
        row = draw(st.integers(0, len(boxes) - 1))
        far = draw(st.integers(reach + 1, 1000)) if reach else 0
        boxes[row, column] = max(boxes[row, column], far)
    return boxes / 1000


@given(unit_boxes())
def test_shares_of_one_are_always_recognised(boxes: FloatArray) -> None:
    assert decide_scale(boxes, WH).name == "0-1"


@given(unit_boxes(reach=900), st.sampled_from([(640, 480), (1920, 1080), (3840, 2160)]))
def test_units_are_recognised_when_some_box_reaches_into_the_far_part(
    boxes: FloatArray, wh: tuple[int, int]
) -> None:
    # [0, 0, 0.1, 0.1] is a box among shares of 1; as percent it would be a speck in the corner.
    assume((boxes[:, 2:].max(axis=1) * 100 > 1.5).all())
    assert decide_scale(boxes * 100, wh).name == "0-100"
    assert decide_scale(boxes * 1000, wh).name == "0-1000"


@given(unit_boxes(reach=600))
def test_pixels_of_a_large_image_are_recognised(boxes: FloatArray) -> None:
    pixels = boxes * np.array([1920, 1080, 1920, 1080])
    assert decide_scale(pixels, (1920, 1080)).name == "pixels"


def test_a_box_without_area_has_no_say() -> None:
    pixels = np.array([[0.0, 0, 0, 0], [0, 0, 0, 0], [100, 50, 1200, 700]])
    assert decide_scale(pixels, (1280, 720)).name == "pixels"


def test_one_number_alone_never_decides() -> None:
    """37 among shares of one is a mistake of that box; among 0-1000 it is a coordinate."""
    shares = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.9, 0.8], [0.5, 0.5, 37, 0.8]])
    assert decide_scale(shares, WH).name == "0-1"
    thousand = np.array([[100.0, 200, 300, 400], [500, 500, 900, 800], [37, 500, 100, 800]])
    assert decide_scale(thousand, WH).name == "0-1000"


def test_one_stray_box_does_not_change_the_unit_of_ten() -> None:
    rng = np.random.default_rng(3)
    low = rng.integers(0, 50, (10, 2))
    percent = np.concatenate([low, low + rng.integers(5, 50, (10, 2))], axis=1).astype(float)
    stray = np.array([[100.0, 100, 400, 300]])
    assert decide_scale(np.concatenate([percent, stray]), WH).name == "0-100"


def sigma(text: str, **options: object) -> FloatArray:
    found = parse(text, **options)  # type: ignore[arg-type]
    assert len(found.detections) == 1, found.rejected
    return found.detections.sigma_px[0]


def box(*numbers: object) -> str:
    return f'[{{"label": "person", "bbox": [{", ".join(map(str, numbers))}]}}]'


@pytest.mark.parametrize(
    ("numbers", "decimals", "step"),
    [
        ((0.12, 0.25, 0.52, 0.75), 2, 0.01),
        ((0.123, 0.25, 0.52, 0.75), 2, 0.001),
        ((0.1, 0.2, 0.5, 0.7), 2, 0.01),
        ((0.1, 0.2, 0.5, 0.7), 1, 0.1),
        ((120, 250, 900, 950), 2, 0.001),
        ((12, 25, 90, 95), 2, 0.01),
        ((12.5, 25.0, 90, 95), 2, 0.001),
    ],
)
def test_sigma_is_that_of_rounding(numbers: tuple[float, ...], decimals: int, step: float) -> None:
    expected = np.array([640, 480, 640, 480]) * step / math.sqrt(12)
    got = sigma(box(*numbers), decimals=decimals)
    np.testing.assert_allclose(got, np.maximum(expected, SIGMA_FLOOR_PX))


def test_sigma_of_width_adds_up() -> None:
    text = '[{"label": "person", "bbox": {"x": 0.1, "y": 0.2, "w": 0.5, "h": 0.5}}]'
    rounding = np.array([640, 480, 640, 480]) * 0.01 / math.sqrt(12)
    np.testing.assert_allclose(sigma(text), rounding * np.sqrt([1, 1, 2, 2]))


def test_sigma_never_falls_below_the_floor() -> None:
    assert (sigma(box(0.123456, 0.2, 0.5, 0.7)) == SIGMA_FLOOR_PX).all()


def test_pixels_of_the_frame_it_was_asked_about() -> None:
    found = parse(box(0.25, 0.5, 0.75, 1.0), wh=(1280, 720))
    assert found.detections.xyxy_px.tolist() == [[320.0, 360.0, 960.0, 720.0]]
