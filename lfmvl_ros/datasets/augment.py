# SPDX-License-Identifier: Apache-2.0
"""Random changes to labelled images that keep their boxes right: crops, exposure, white balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_TARGET_SHARE = 0.8  # of the crops, which are made around one of the boxes
SMALLEST_CROP = 0.25
"""Of the largest possible area."""


def random_window(
    rng: np.random.Generator,
    wh_px: tuple[int, int],
    proportions: float,
    xyxy: NDArray[Any],
    *,
    smallest: float = SMALLEST_CROP,
) -> tuple[int, int, int, int]:
    """A window of an image, most often one with an object in it.

    Args:
        rng: decides size and place.
        wh_px: size of the image.
        proportions: width by height of the window, but for rounding.
        xyxy: (N, 4) the image's boxes, normalised.
        smallest: share of the area there is, above 0; windows have this to all of it.

    Returns:
        Left, top, right and bottom edge in pixels.
    """
    scale = np.sqrt(rng.uniform(smallest, 1.0))
    height = min(wh_px[1], wh_px[0] / proportions) * scale
    sides = np.array([height * proportions, height]).round().astype(int)
    sides = np.clip(sides, 1, wh_px)
    first, last = np.zeros(2), np.array(wh_px) - sides
    if len(xyxy) and rng.random() < _TARGET_SHARE:
        box = xyxy[int(rng.integers(len(xyxy)))]
        middle = (box[:2] + box[2:]) / 2 * wh_px
        first, last = np.clip(middle - sides, 0, last), np.clip(middle, 0, last)
    left, top = rng.uniform(first, last).round().astype(int)
    return int(left), int(top), int(left + sides[0]), int(top + sides[1])


def boxes_in(window: NDArray[Any], xyxy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Boxes as a crop shows them.

    Args:
        window: (4,) the crop, normalised to the image.
        xyxy: (N, 4) boxes, normalised to the image, none of them empty.

    Returns:
        xyxy (N, 4) normalised to the crop and clipped to it; share (N,) of each box's area that
        is inside.
    """
    size = window[2:] - window[:2]
    inside = np.clip((xyxy - np.tile(window[:2], 2)) / np.tile(size, 2), 0.0, 1.0)
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    left = np.prod((inside[:, 2:] - inside[:, :2]) * size, axis=1)
    return inside, np.clip(left / area, 0.0, 1.0)


def colour_shift(
    rng: np.random.Generator, images: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], ...]:
    """A slightly different exposure and white balance of all sizes; uint8 in and out."""
    gain = rng.uniform(0.88, 1.12) * rng.uniform(0.97, 1.03, 3)
    table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-6, 6), 0, 255).astype(np.uint8)
    return tuple(cv2.LUT(np.ascontiguousarray(pixels), table[None]) for pixels in images)
