# SPDX-License-Identifier: Apache-2.0
"""Which tracks of a frame can be read, and how good a crop of one is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, surrounded_px
from lfmvl_ros.core.tracking import Tracks, TrackState

_BORDER_PX = 2.0
_LEAST_PX = 12.0  # of the shorter side: smaller objects have no letters that can be read
_MARGIN = 0.05  # of the box's sides, around it
_MOST_HIDDEN = 0.2  # of the box, by one object in front of it
_NESTED = 0.9  # share of a box within another from which it is a part of it, such as its label
_MEASURED_PX = 192  # longest side on which sharpness is measured


def readable_rows(tracks: Tracks) -> list[int]:
    """Return the rows of the tracks whose crop shows the whole object, at a size to read.

    Left out are tracks that are not confirmed at this frame, boxes that the image's border cuts,
    small ones, and those that an object in front hides in part: one whose lower edge is lower.
    """
    hidden = _hidden_shares(tracks.xyxy_px)
    width, height = tracks.wh
    rows = []
    for row, (x1, y1, x2, y2) in enumerate(tracks.xyxy_px.tolist()):
        inside = min(x1, y1) > _BORDER_PX and x2 < width - _BORDER_PX and y2 < height - _BORDER_PX
        large = min(x2 - x1, y2 - y1) >= _LEAST_PX
        confirmed = tracks.state[row] is TrackState.CONFIRMED
        if confirmed and inside and large and hidden[row] <= _MOST_HIDDEN:
            rows.append(row)
    return rows


def _hidden_shares(xyxy: FloatArray) -> FloatArray:
    """Return the largest share of each box that one box in front of it covers, ``(N,)``."""
    if len(xyxy) < 2:
        return np.zeros(len(xyxy))
    low = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    areas = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    mine, others = shared / areas[:, None], shared / areas[None, :]
    in_front = (xyxy[None, :, 3] > xyxy[:, None, 3]) & (np.maximum(mine, others) < _NESTED)
    return np.asarray(np.where(in_front, mine, 0.0).max(axis=1))


def crop_of(pixels: NDArray[np.uint8], xyxy_px: FloatArray) -> NDArray[np.uint8]:
    """Return a copy of a box and a little around it, within the image.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        xyxy_px: ``(4,)`` corners.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = surrounded_px(xyxy_px, _MARGIN, (width, height))
    return pixels[top:bottom, left:right].copy()


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Return how sharp a crop is, >= 0, whatever its contrast: to compare crops of one object.

    The variance of the Laplacian over that of the grey values, times the crop's size: a larger
    image of the same object shows finer letters.
    """
    longest = max(crop.shape[:2])
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if longest > _MEASURED_PX:
        scale = _MEASURED_PX / longest
        size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    spread = float(np.asarray(grey, dtype=np.float64).var())
    if spread < 1.0:
        return 0.0
    fine = np.asarray(cv2.Laplacian(grey, cv2.CV_32F), dtype=np.float64)
    return float(fine.var()) / spread * float(np.sqrt(longest))
