# SPDX-License-Identifier: Apache-2.0
"""Shape of the visible part of an object, from its samples: depths, width, height, curvature.

Everything is in metres in the camera's optical frame, so that one set of weights serves objects of
5 cm and of 2 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.foreground import Foreground
from lfmvl_ros.core.spatial.sides import backdrop_depth, hidden_shares, sides_of
from lfmvl_ros.core.tracking import Intrinsics

# Depths at these percentiles are near and far: beyond them are edges, flying pixels, neighbours.
_NEAR, _FAR = 6, 94
_EDGE = 1.5  # percentile of the columns and rows that bound the object
# Where the samples cover a smaller share of the box than this, the outline follows the box more.
_WELL_COVERED = 0.55
_FROM_SAMPLES = 0.8
# Of the quadratic surface 1, x, y, x x, x y, y y through the samples, for each sample.
_SHRINKAGE = np.diag([1e-6, 0.01, 0.01, 0.05, 0.05, 0.05])


@dataclass(frozen=True)
class Extent:
    """Shape of the visible part of an object, in the optical frame.

    Attributes:
        near_m, median_m, far_m: 6th percentile, median and 94th percentile of its depths.
        xyxy_px: its outline in the image, between that of the samples and the box.
        width_m, height_m: of the outline at the median depth.
        bend_x_m, bend_y_m: how much further away the sides (top and bottom) are than the middle;
            half the thickness for a ball, 0 for a flat face.
        slope_x_m, slope_y_m: how much further away the right (bottom) edge is than the middle.
        hidden: ``(4,)`` left, top, right, bottom: share of this side where something stands in
            front, or 1 where the image ends there.
        backdrop_m: from the near depth to the backdrop, along the ray through the middle of the
            box: a plane behind the object that is seen face-on and on all sides of it, so that
            nothing else holds the object. Infinite without one.
    """

    near_m: float
    median_m: float
    far_m: float
    xyxy_px: tuple[float, float, float, float]
    width_m: float
    height_m: float
    bend_x_m: float
    bend_y_m: float
    slope_x_m: float
    slope_y_m: float
    hidden: tuple[float, float, float, float]
    backdrop_m: float

    @property
    def side_m(self) -> float:
        """Geometric mean of width and height."""
        return math.sqrt(self.width_m * self.height_m)

    @property
    def spread_m(self) -> float:
        """Depth between near and far."""
        return self.far_m - self.near_m


def ray(lens: Intrinsics, u_px: float, v_px: float) -> FloatArray:
    """Return ``(3,)`` the direction of the ray through a point of the image, with z = 1.

    Points are measured as boxes are: the middle of the first pixel is at 0.5, where
    ``camera_info`` has it at 0.
    """
    return np.array(
        [(u_px - 0.5 - lens.cx_px) / lens.fx_px, (v_px - 0.5 - lens.cy_px) / lens.fy_px, 1.0]
    )


def points_of(lens: Intrinsics, fore: Foreground) -> FloatArray:
    """Return the samples of an object as points ``(N, 3)`` of the optical frame, m."""
    z = fore.depth_m
    x = (fore.u_px - 0.5 - lens.cx_px) / lens.fx_px * z
    y = (fore.v_px - 0.5 - lens.cy_px) / lens.fy_px * z
    return np.stack([x, y, z], axis=1)


def measure_extent(fore: Foreground, lens: Intrinsics, wh: tuple[int, int]) -> Extent:
    """Return the shape of the visible part of an object.

    Args:
        fore: the samples of the object.
        lens: of the camera.
        wh: size of the image, px.
    """
    near, median, far = _quantiles(fore.depth_m, (_NEAR, 50, _FAR))
    outline = _outline(fore)
    x0, y0, x1, y1 = outline
    width = max(x1 - x0, 1.0) * median / lens.fx_px
    height = max(y1 - y0, 1.0) * median / lens.fy_px
    sides = sides_of(fore.mask)
    slope_x, slope_y, bend_x, bend_y = _surface(fore, outline, near, far)
    return Extent(
        near,
        median,
        far,
        outline,
        width,
        height,
        bend_x_m=_within(bend_x, width / 2),
        bend_y_m=_within(bend_y, height / 2),
        slope_x_m=_within(slope_x, width),
        slope_y_m=_within(slope_y, height),
        hidden=hidden_shares(fore, sides, wh),
        backdrop_m=backdrop_depth(fore, lens, sides) - near,
    )


def _within(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)


def _quantiles(values: FloatArray, percents: tuple[float, ...]) -> list[float]:
    """Return the samples nearest to percentiles; a tenth of the time of ``np.percentile``."""
    ordered = values.copy()
    ordered.sort()
    last = len(ordered) - 1
    return [float(ordered[round(p / 100 * last)]) for p in percents]


def _outline(fore: Foreground) -> tuple[float, float, float, float]:
    u0, u1 = _quantiles(fore.u_px, (_EDGE, 100 - _EDGE))
    v0, v1 = _quantiles(fore.v_px, (_EDGE, 100 - _EDGE))
    half = fore.patch.stride_px / 2
    k = min(max(fore.cover / _WELL_COVERED, 0.15), 1.0) * _FROM_SAMPLES
    x0, y0, x1, y1 = fore.patch.xyxy_px
    return (
        k * (u0 - half) + (1 - k) * x0,
        k * (v0 - half) + (1 - k) * y0,
        k * (u1 + half) + (1 - k) * x1,
        k * (v1 + half) + (1 - k) * y1,
    )


def _surface(
    fore: Foreground, outline: tuple[float, float, float, float], near: float, far: float
) -> tuple[float, float, float, float]:
    """Return slopes and bends of a quadratic surface through the samples, slightly shrunk."""
    x0, y0, x1, y1 = outline
    kept = ((fore.depth_m >= near - 0.02) & (fore.depth_m <= far + 0.02)).nonzero()[0]
    z = fore.depth_m[kept] - near
    terms = np.ones((6, len(z)))
    x, y = terms[1], terms[2]
    x[:] = (2 * fore.u_px[kept] - (x0 + x1)) / max(x1 - x0, 1.0)
    y[:] = (2 * fore.v_px[kept] - (y0 + y1)) / max(y1 - y0, 1.0)
    np.multiply(terms[1:3], x, out=terms[3:5])
    np.multiply(y, y, out=terms[5])
    normal = terms @ terms.T
    normal += _SHRINKAGE * len(z)
    _, fit = cv2.solve(normal, (terms @ z)[:, None])  # a third of the time of np.linalg.solve
    _, slope_x, slope_y, bend_x, _, bend_y = fit[:, 0].tolist()
    return slope_x, slope_y, bend_x, bend_y
