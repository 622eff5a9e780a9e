# SPDX-License-Identifier: Apache-2.0
"""A point of the visible surface and its outward normal, for an arm to approach."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import median
from lfmvl_ros.core.spatial.extent import Extent, points_of
from lfmvl_ros.core.spatial.foreground import Foreground
from lfmvl_ros.core.spatial.places import PickPoint
from lfmvl_ros.core.tracking import Intrinsics

# The surface patch around the point that is taken for flat, as a share of the object's side.
_RADIUS = 0.4
_LEAST_POINTS = 8
_ROUNDS = 6
# Where patches are tried, in sides from the middle: the middle may be an edge between two faces.
_TRIED = ((0.0, 0.0), (0.2, 0.0), (-0.2, 0.0), (0.0, 0.2), (0.0, -0.2))
# Samples further from the plane than this many deviations are of another face.
_TRIM = 2.0
_LEAST_SIGMA_M = 0.0008
# Neighbouring samples share their errors, so each counts for less than one.
_INDEPENDENT = 0.25
_LARGEST_SIGMA_RAD = np.deg2rad(20.0)
_LEAST_SIGMA_RAD = np.deg2rad(0.5)


def find_pick_point(
    fore: Foreground, extent: Extent, lens: Intrinsics, surface_covariance: FloatArray
) -> PickPoint | None:
    """Return a point near the middle of the visible surface, with the normal there.

    A plane is fitted to the samples around the middle, and to those around four points beside it,
    by least squares across the plane, again and again with those left out that lie on another face.
    The point whose normal is the most certain wins.

    Args:
        fore: the samples.
        extent: their shape.
        lens: of the camera.
        surface_covariance: ``(3, 3)`` of the visible surface; its part along the ray is used.

    Returns:
        None where the normal's standard deviation would be above 20 degrees.
    """
    points = points_of(lens, fore)
    middle = np.array([median(points[:, k]) for k in range(3)])
    radius = _RADIUS * extent.side_m
    found = []
    for across, down in _TRIED:
        aim = middle[:2] + np.array([across * extent.width_m, down * extent.height_m])
        start = points[int(np.argmin(((points[:, :2] - aim) ** 2).sum(axis=1)))]
        near = points[((points - start) ** 2).sum(axis=1) < radius**2]
        fitted = _flat_part(near, start) if len(near) >= _LEAST_POINTS else None
        if fitted is not None:
            found.append(fitted)
    if not found:
        return None
    point, normal, sigma = min(found, key=lambda fitted: fitted[2])
    if sigma > _LARGEST_SIGMA_RAD:
        return None
    along = point / np.linalg.norm(point)
    depth = float(along @ surface_covariance @ along)
    aside = (0.002 * point[2] + point[2] / lens.fx_px) ** 2
    covariance = np.outer(along, along) * depth + np.eye(3) * aside
    return PickPoint(point, covariance, normal, sigma)


def _flat_part(
    points: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray, float] | None:
    """Return the foot of ``start`` on a plane through most points, its normal and its sigma."""
    kept = np.ones(len(points), dtype=bool)
    for _ in range(_ROUNDS):
        used = points[kept]
        if len(used) < _LEAST_POINTS:
            return None
        mean = used.mean(axis=0)
        apart = used - mean
        values, vectors = np.linalg.eigh(apart.T @ apart / len(used))
        normal = vectors[:, 0]
        off = np.abs((points - mean) @ normal)
        spread = max(1.4826 * median(off[kept]), _LEAST_SIGMA_M)
        kept = off < _TRIM * spread
    if normal @ start > 0:
        normal = -normal
    count = max(_INDEPENDENT * np.count_nonzero(kept), 1.0)
    tilt = np.sqrt(max(values[0], _LEAST_SIGMA_M**2) / (max(values[1], 1e-12) * count))
    sigma = float(np.hypot(np.arctan(tilt), _LEAST_SIGMA_RAD))
    return start - ((start - mean) @ normal) * normal, normal, sigma
