# SPDX-License-Identifier: Apache-2.0
"""Draw pick poses on an image: a point, and the normal to approach along."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.viz.drawing import colour_of

_NORMAL_M = 0.2
_LEAST_M = 0.05  # before the camera, to be drawn


def draw_picks(
    canvas: NDArray[np.uint8], places: Places, lens: Intrinsics, camera: RigidTransform
) -> None:
    """Draw into an ``(H, W, 3)`` RGB image, in the colours of the tracks.

    Args:
        canvas: is drawn into.
        places: of the tracks; those without a pick point are left out.
        lens: of the image.
        camera: pose of its optical frame in the frame of the places.
    """
    to_camera = camera.inverse()
    for key, place in places.by_id.items():
        if place.pick is None:
            continue
        point, normal = place.pick.point_m, place.pick.normal
        ends = to_camera.apply(np.stack([point, point + _NORMAL_M * normal]))
        if ends[:, 2].min() < _LEAST_M:
            continue
        start, tip = (_pixel(end, lens) for end in ends)
        cv2.arrowedLine(canvas, start, tip, (255, 255, 255), 4, cv2.LINE_AA, tipLength=0.25)
        cv2.arrowedLine(canvas, start, tip, colour_of(key), 2, cv2.LINE_AA, tipLength=0.25)
        cv2.circle(canvas, start, 4, (255, 255, 255), -1, cv2.LINE_AA)


def _pixel(point_m: FloatArray, lens: Intrinsics) -> tuple[int, int]:
    u, v = lens.project(point_m).tolist()
    return round(u), round(v)
