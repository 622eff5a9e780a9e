# SPDX-License-Identifier: Apache-2.0
"""Degraded images are worse in the way that they say, and boxes go with them."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.evaluate.answers import brightness
from lfmvl_ros.evaluate.degrade import DEGRADATIONS, blurred, darkened, rotated

BOX = np.array([[0.4, 0.3, 0.6, 0.5]])


def image() -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.integers(60, 200, (90, 120, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_level_is_worse_than_the_one_before(name: str) -> None:
    change, _, levels = DEGRADATIONS[name]
    pixels = image()
    before = pixels.copy()
    far = []
    for level in levels:
        worse, boxes = change(pixels, BOX, level)
        again, _ = change(pixels, BOX, level)
        assert (worse == again).all()
        assert worse.shape == pixels.shape
        assert worse.dtype == np.uint8
        assert (boxes == BOX).all() == (name != "rotated")
        far.append(float(np.abs(worse.astype(int) - pixels).mean()))
    assert 0 < far[0] < far[1] < far[2]
    assert (pixels == before).all()


def test_darkness_is_in_proportion_and_blur_keeps_light() -> None:
    pixels = image()
    assert brightness(darkened(pixels, BOX, 0.5)[0]) == pytest.approx(
        brightness(pixels) / 2, rel=0.02
    )
    assert brightness(blurred(pixels, BOX, 0.05)[0]) == pytest.approx(brightness(pixels), rel=0.02)


@pytest.mark.parametrize("degrees", [-30.0, -6.0, 3.0, 45.0])
def test_boxes_turn_with_the_image(degrees: float) -> None:
    """A bright disc is where the box says, after any rotation."""
    pixels = np.zeros((200, 300, 3), np.uint8)
    y, x = np.mgrid[:200, :300]
    pixels[(x - 200) ** 2 + (y - 70) ** 2 <= 20**2] = 255
    box = np.array([[180 / 300, 50 / 200, 220 / 300, 90 / 200]])
    turned, boxes = rotated(pixels, box, degrees)
    rows, columns = np.nonzero(turned[..., 0] > 128)
    seen = [columns.min() / 300, rows.min() / 200, columns.max() / 300, rows.max() / 200]
    np.testing.assert_allclose(boxes[0], seen, atol=0.012)


def test_what_has_left_the_image_is_not_expected() -> None:
    corner = np.array([[0.0, 0.0, 0.08, 0.1], [0.45, 0.45, 0.55, 0.55]])
    _, boxes = rotated(image(), corner, 20.0)
    assert np.isnan(boxes[0]).all()
    assert np.isfinite(boxes[1]).all()
