# SPDX-License-Identifier: Apache-2.0
"""Lines of text cut out of an image: a large one is blurred before it is made small."""

import cv2
import numpy as np
import pytest

from lfmvl_ros.models import text_layout
from lfmvl_ros.models.text_layout import rectified

WH = (900, 500)


def line(x: float, y: float, length: float, height: float, turn_rad: float) -> np.ndarray:
    half = np.array([[-length, -height], [length, -height], [length, height], [-length, height]])
    turn = np.array([[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]])
    return half / 2 @ turn.T + (x, y)


@pytest.mark.parametrize(
    "quad",
    [
        line(450, 250, 500, 120, 0.1),
        line(200, 240, 420, 150, 1.5),  # down
        line(40, 30, 600, 200, -0.3),  # mostly outside
        line(890, 490, 300, 130, 3.0),
        line(2000, 900, 300, 130, 0.0),  # quite outside
    ],
)
def test_blurring_only_the_line_gives_the_same_pixels(
    quad: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*WH[::-1], 3), np.uint8)
    cut = rectified(image, quad)

    def everywhere(pixels: np.ndarray, _: np.ndarray, sigma_px: float) -> np.ndarray:
        return cv2.GaussianBlur(pixels, (0, 0), sigma_px)

    monkeypatch.setattr(text_layout, "_blurred_at", everywhere)
    assert np.array_equal(cut, rectified(image, quad))


def test_only_large_lines_are_blurred(monkeypatch: pytest.MonkeyPatch) -> None:
    image, blurred = np.zeros((*WH[::-1], 3), np.uint8), []

    def noted(pixels: np.ndarray, _: np.ndarray, sigma_px: float) -> np.ndarray:
        blurred.append(sigma_px)
        return pixels

    monkeypatch.setattr(text_layout, "_blurred_at", noted)
    assert rectified(image, line(450, 250, 500, 40, 0.1)).shape[0] == 48
    assert blurred == []
    rectified(image, line(450, 250, 500, 120, 0.1))
    assert len(blurred) == 1
