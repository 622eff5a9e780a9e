# SPDX-License-Identifier: Apache-2.0
"""Places without a depth camera: from where a box ends on the floor, or from a known size."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.extent import ray
from lfmvl_ros.core.spatial.places import Place, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform, with_least_variance
from lfmvl_ros.core.tracking import Intrinsics

# How well the camera's height and tilt are known, by default.
TILT_SIGMA_RAD = np.deg2rad(0.5)
HEIGHT_SIGMA_M = 0.01
# Rays that meet the floor at a smaller angle are not used: at 1 degree, the distance is 57 times
# the camera's height.
_LEAST_DIP_RAD = np.deg2rad(1.0)
_BOX_SIGMA = 0.08  # of each edge, in sides of the box
# Half the thickness of an object as a share of its width, and the standard deviation of that.
_HALF_DEPTH, _HALF_DEPTH_SIGMA = 0.4, 0.2
# Relative: objects stand upright or not, are seen at an angle, and are not all of one size.
_SIZE_SIGMA = 0.14
_BORDER_PX = 2.0
_LEAST_VARIANCE = 1e-8


def floor_place(
    xyxy_px: FloatArray, lens: Intrinsics, wh: tuple[int, int], camera: RigidTransform
) -> Place | Refusal:
    """Return the place of an object that stands on the floor, from the lower edge of its box.

    The ray through the middle of the lower edge meets the floor at the object's near side. The
    covariance follows, by finite differences, from the standard deviations of the edges (8 % of the
    box), of the camera's tilt (0.5 degrees) and height (1 cm), and of the object's thickness.

    Args:
        xyxy_px: ``(4,)`` the box.
        lens: of the camera.
        wh: size of the image, px.
        camera: pose of the camera's optical frame in a frame whose z is up and 0 on the floor.

    Returns:
        The place in the frame of the floor, or why there is none: ``above_horizon``,
        ``cut_by_border``.
    """
    if xyxy_px[3] >= wh[1] - _BORDER_PX:
        return Refusal.CUT_BY_BORDER
    if _contact(xyxy_px, lens, camera, np.zeros(5)) is None:
        return Refusal.ABOVE_HORIZON
    width, height = xyxy_px[2:] - xyxy_px[:2]
    steps = np.array([_BOX_SIGMA * width, _BOX_SIGMA * height, TILT_SIGMA_RAD,
                      HEIGHT_SIGMA_M, _HALF_DEPTH_SIGMA])  # fmt: skip
    middle = _contact(xyxy_px, lens, camera, np.zeros(5))
    columns = []
    for k, step in enumerate(steps):
        moved = _contact(xyxy_px, lens, camera, np.eye(5)[k] * step)
        back = _contact(xyxy_px, lens, camera, -np.eye(5)[k] * step)
        if moved is None or back is None or middle is None:
            return Refusal.ABOVE_HORIZON
        columns.append((moved[0] - back[0]) / 2)
    assert middle is not None
    spread = np.stack(columns, axis=1)
    covariance = spread @ spread.T
    centre, size = middle
    covariance += np.diag([0.0, 0.0, (0.1 * size[2]) ** 2])
    covariance = with_least_variance(covariance, _LEAST_VARIANCE)
    return Place(centre, covariance, centre, covariance, size, source=PlaceSource.FLOOR)


def _contact(
    xyxy_px: FloatArray, lens: Intrinsics, camera: RigidTransform, error: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return middle and size of what stands at the lower edge, with errors of what it rests on.

    Args:
        xyxy_px: the box.
        lens: of the camera.
        camera: its pose above the floor.
        error: ``(5,)`` of the edge across and down (px), tilt (rad), height (m), half depth (1).
    """
    x0, y0, x1, y1 = xyxy_px.tolist()
    direction = ray(lens, (x0 + x1) / 2 + error[0], y1 + error[1])
    c, s = np.cos(error[2]), np.sin(error[2])
    tilted = np.array([direction[0], c * direction[1] + s, c - s * direction[1]])
    down = camera.rotation @ tilted
    height = float(camera.translation_m[2]) + float(error[3])
    dip = -down[2] / np.linalg.norm(down)
    if height <= 0 or dip < np.sin(_LEAST_DIP_RAD):
        return None
    depth = height / -down[2]
    width = (x1 - x0) / lens.fx_px * depth
    tall = (y1 - y0) / lens.fy_px * depth
    ahead = down[:2] / max(float(np.linalg.norm(down[:2])), 1e-9)
    foot = camera.translation_m[:2] + down[:2] * depth
    foot = foot + ahead * (_HALF_DEPTH + float(error[4])) * width
    return np.array([*foot, tall / 2]), np.array([width, 2 * _HALF_DEPTH * width, tall])


def sized_place(
    xyxy_px: FloatArray, lens: Intrinsics, wh: tuple[int, int], size_m: FloatArray
) -> Place | Refusal:
    """Return where an object of known size is, by how large it looks, in the optical frame.

    The error is about 14 % for objects that stand upright (people, drums, cones), and larger for
    boxes and pallets, whose outline depends on how they are turned.

    Args:
        xyxy_px: ``(4,)`` the box.
        lens: of the camera.
        wh: size of the image, px.
        size_m: ``(3,)`` full extents: length, width, height as it stands.

    Returns:
        The place, or ``cut_by_border`` if neither the whole height nor the whole width is in the
        image.
    """
    x0, y0, x1, y1 = xyxy_px.tolist()
    whole_height = y0 > _BORDER_PX and y1 < wh[1] - _BORDER_PX
    whole_width = x0 > _BORDER_PX and x1 < wh[0] - _BORDER_PX
    guesses, sigmas = [], []
    if whole_height:
        guesses.append(lens.fy_px * float(size_m[2]) / (y1 - y0))
        sigmas.append(_SIZE_SIGMA)
    if whole_width:
        low, high = sorted(size_m[:2].tolist())
        across = (low + high) / 2
        guesses.append(lens.fx_px * across / (x1 - x0))
        sigmas.append(float(np.hypot(_SIZE_SIGMA, (high - low) / (2 * across))))
    if not guesses:
        return Refusal.CUT_BY_BORDER
    weight = 1 / np.square(sigmas)
    depth = float(weight @ guesses / weight.sum())
    # Guesses that contradict each other widen the result (Birge's ratio).
    apart = float(weight @ np.square(np.array(guesses) / depth - 1)) / max(len(guesses) - 1, 1)
    sigma = depth * float(np.sqrt(max(1.0, apart) / weight.sum()))
    direction = ray(lens, (x0 + x1) / 2, (y0 + y1) / 2)
    sides = np.array([(x1 - x0) / lens.fx_px, (y1 - y0) / lens.fy_px]) * depth * _BOX_SIGMA
    covariance = np.outer(direction, direction) * sigma**2 + np.diag([*(sides**2), 0.0])
    covariance = with_least_variance(covariance, _LEAST_VARIANCE)
    centre = direction * depth
    size = np.array([(x1 - x0) / lens.fx_px * depth, float(size_m[2]), float(size_m[:2].mean())])
    return Place(centre, covariance, centre, covariance, size, source=PlaceSource.SIZE)
