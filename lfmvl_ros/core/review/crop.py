# SPDX-License-Identifier: Apache-2.0
"""The part of an image that a person has to see to answer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.review.documents import Box

_CONTEXT = 1.0  # of the box's size, on each side
_LEAST_SHARE = 0.25  # of the image's sides: a small box alone shows too little
_LONGEST_PX = 640
_QUALITY = 85


def around(bbox: Box | None) -> Box:
    """Return the part of the image to show around a box; the whole image without one.

    Args:
        bbox: x1, y1, x2, y2 as shares of the image; None without a box.

    Returns:
        x1, y1, x2, y2 of the part, which contains the box and lies within the image.

    >>> around((0.4, 0.4, 0.6, 0.6))
    (0.2, 0.2, 0.8, 0.8)
    """
    if bbox is None:
        return 0.0, 0.0, 1.0, 1.0
    x1, x2 = _side(bbox[0], bbox[2])
    y1, y2 = _side(bbox[1], bbox[3])
    return x1, y1, x2, y2


def _side(low: float, high: float) -> tuple[float, float]:
    length = max((high - low) * (1 + 2 * _CONTEXT), _LEAST_SHARE)
    begin = min(max((low + high - length) / 2, 0.0), max(1.0 - length, 0.0))
    return min(round(begin, 5), low), max(round(min(begin + length, 1.0), 5), high)


def cut(pixels: NDArray[np.uint8], crop: Box) -> tuple[Box, bytes]:
    """Return the part of an image as JPEG, at most 640 px a side, and where its edges are.

    Args:
        pixels: ``(H, W, 3)`` uint8, RGB.
        crop: x1, y1, x2, y2 as shares of the image.

    Returns:
        The crop in whole pixels, as shares of the image, and the JPEG.
    """
    height, width = pixels.shape[:2]
    left, top = int(crop[0] * width), int(crop[1] * height)
    right = min(max(int(np.ceil(crop[2] * width)), left + 1), width)
    bottom = min(max(int(np.ceil(crop[3] * height)), top + 1), height)
    left, top = min(left, right - 1), min(top, bottom - 1)
    part = pixels[top:bottom, left:right]
    scale = min(1.0, _LONGEST_PX / max(part.shape[:2]))
    if scale < 1:
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return (left / width, top / height, right / width, bottom / height), encode_jpeg(part, _QUALITY)
