# SPDX-License-Identifier: Apache-2.0
"""Where lines of text are in an image: cut out and made level, in reading order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Quad = NDArray[np.float64]
"""``(4, 2)`` corners in px, clockwise in the image."""
_LINE_PX = 48  # height that the recogniser reads
_LONGEST_PX = 1600
_MARGIN, _END_MARGIN = 0.06, 0.35  # of the line's height, added along it and at its ends
_TALL = 1.5  # height / width from which text runs down or up


def rectified(image: NDArray[np.uint8], quad: Quad) -> NDArray[np.uint8]:
    """Return a line cut out of an image, level, 48 px high; maybe upside down.

    Args:
        image: ``(H, W, 3)`` uint8.
        quad: of the line. Where it is higher than wide, it is turned by a quarter.
    """
    corners = _grown(quad)
    width, height = _extent(corners)
    if height >= _TALL * width:
        corners, (width, height) = np.roll(corners, 1, axis=0), (height, width)
    length = min(max(round(_LINE_PX * width / max(height, 1.0)), 8), _LONGEST_PX)
    target = np.array([[0, 0], [length, 0], [length, _LINE_PX], [0, _LINE_PX]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    if height > 2 * _LINE_PX:  # without this, thin strokes fall between the samples
        image = _blurred_at(image, corners, 0.4 * height / _LINE_PX)
    return np.asarray(
        cv2.warpPerspective(
            image,
            matrix,
            (length, _LINE_PX),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _blurred_at(image: NDArray[np.uint8], quad: Quad, sigma_px: float) -> NDArray[np.uint8]:
    """Return an image that is blurred where a line is; elsewhere it is as it was."""
    # Samples are taken from up to two pixels outside; the kernel ends four sigmas from its middle.
    rim, reach = 2, 2 + math.ceil(4 * sigma_px) + 1
    wh = np.array(image.shape[1::-1])
    low = np.clip(np.floor(quad.min(axis=0)).astype(int), 0, wh)
    high = np.clip(np.ceil(quad.max(axis=0)).astype(int) + 1, 0, wh)
    (x0, y0), (x1, y1) = np.maximum(low - reach, 0), np.minimum(high + reach, wh)
    around = np.ascontiguousarray(image[y0:y1, x0:x1])
    if not around.size:
        return image
    blurred = cv2.GaussianBlur(around, (0, 0), sigma_px)
    (left, top), (right, bottom) = np.maximum(low - rim, 0), np.minimum(high + rim, wh)
    result = image.copy()
    result[top:bottom, left:right] = blurred[top - y0 : bottom - y0, left - x0 : right - x0]
    return result


def _extent(quad: Quad) -> tuple[float, float]:
    """Return the mean width and height, px."""
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1).tolist()
    return (top + bottom) / 2, (right + left) / 2


def _grown(quad: Quad) -> Quad:
    """Return a line's corners with a margin, wider at both ends: a letter may be cut off there."""
    width, height = _extent(quad)
    low = max(min(width, height), 1.0)
    across, down = (_END_MARGIN, _MARGIN) if width >= height else (_MARGIN, _END_MARGIN)
    side = (quad[1] + quad[2] - quad[0] - quad[3]) / 2
    drop = (quad[2] + quad[3] - quad[0] - quad[1]) / 2
    side = side / max(float(np.linalg.norm(side)), 1e-6) * across * low
    drop = drop / max(float(np.linalg.norm(drop)), 1e-6) * down * low
    return np.asarray(quad + np.array([-side - drop, side - drop, side + drop, -side + drop]))


def in_reading_order(quads: Sequence[Quad]) -> list[Quad]:
    """Return lines from top to bottom as their text runs; those side by side from left to right.

    The direction is that of the longest line; upside down is not known here.
    """
    longest = max(quads, key=lambda quad: float(np.ptp(quad, axis=0).max()))
    along = longest[1] - longest[0]
    if np.linalg.norm(longest[3] - longest[0]) >= _TALL * np.linalg.norm(along):
        along = longest[0] - longest[3]  # as rectified() turns it
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    down = np.array([-along[1], along[0]])
    placed = [
        (
            float(quad.mean(axis=0) @ down),
            float(quad.mean(axis=0) @ along),
            line_height_px(quad),
            quad,
        )
        for quad in quads
    ]
    placed.sort(key=lambda item: item[0])
    rows: list[list[tuple[float, float, float, Quad]]] = []
    for item in placed:
        if rows and item[0] - rows[-1][0][0] < 0.5 * min(item[2], rows[-1][0][2]):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item[3] for row in rows for item in sorted(row, key=lambda item: item[1])]


def line_height_px(quad: Quad) -> float:
    """Return the height of a line's box, px: about 1.6 times that of its capital letters."""
    return min(_extent(quad))


def line_length_px(quad: Quad) -> float:
    """Return the length of a line's box, px."""
    return max(_extent(quad))
