# SPDX-License-Identifier: Apache-2.0
"""The crop that a second model sees: a track's box and a little around it, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray, surrounded_px
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.region import Region

ENLARGED_PX = 640 * 480
"""Smaller crops are enlarged to this many pixels: models find little in images of 100x100."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop, ready to be shown.

    Attributes:
        frame: its pixels, with the stamp of the camera frame.
        place: ``(4,)`` the track's box in it, x1, y1, x2, y2, px of ``frame``.
        taken_wh: (width, height) of the part of the camera image, px, before it was enlarged.
    """

    frame: Frame
    place: FloatArray
    taken_wh: tuple[int, int]


def crop_around(frame: Frame, xyxy_px: FloatArray, margin: float) -> Crop:
    """Cut a box and its surroundings from a camera frame.

    Args:
        frame: whole camera image.
        xyxy_px: ``(4,)`` corners, x1 < x2 and y1 < y2, within the image.
        margin: on each side, as a share of the box's width or height; cut at the image's border.

    Returns:
        The crop, at the shape of what was cut, enlarged to :data:`ENLARGED_PX` if it is smaller.
    """
    left, top, right, bottom = surrounded_px(xyxy_px, margin, frame.wh)
    pixels = Region((left, top, right, bottom), frame.wh).cut_from(frame.pixels)
    taken_wh = right - left, bottom - top
    factor = math.sqrt(ENLARGED_PX / (taken_wh[0] * taken_wh[1]))
    if factor > 1:
        wh = max(1, round(factor * taken_wh[0])), max(1, round(factor * taken_wh[1]))
        pixels = np.asarray(cv2.resize(pixels, wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    scale = np.tile(np.array(pixels.shape[1::-1]) / np.array(taken_wh), 2)
    place = (xyxy_px - np.array([left, top, left, top])) * scale
    shown = replace(frame, pixels=np.ascontiguousarray(pixels), region=None)
    return Crop(shown, np.asarray(place, np.float64), taken_wh)
