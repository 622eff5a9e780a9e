# SPDX-License-Identifier: Apache-2.0
"""A point of the visible surface and its outward normal, for an arm to approach."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import BoolArray, median
from lfmvl_ros.core.spatial.extent import Extent, points_of
from lfmvl_ros.core.spatial.foreground import Foreground
from lfmvl_ros.core.spatial.places import PickPoint
from lfmvl_ros.core.spatial.rigid import least_variance
from lfmvl_ros.core.tracking import Intrinsics

# Radius of the patch around the point that counts as flat, as a share of the object's side.
_RADIUS = 0.4
_LEAST_POINTS = 8
_ROUNDS = 8
# Where patches are tried, in sides from the middle, since the middle may be an edge of two faces.
_TRIED = np.array(((0.0, 0.0), (0.2, 0.0), (-0.2, 0.0), (0.0, 0.2), (0.0, -0.2)))
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

    A plane is fitted by least squares to the samples around the middle, and to those around four
    points beside it. Samples that lie on another face are left out, and the fit is repeated. The
    point whose normal is most certain is returned.

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
    aims = middle[:2] + _TRIED * (extent.width_m, extent.height_m)
    apart = points[None, :, :2] - aims[:, None]
    starts = points[np.einsum("tnk,tnk->tn", apart, apart).argmin(axis=1)]
    apart = points[None] - starts[:, None]
    near = np.einsum("tnk,tnk->tn", apart, apart) < (_RADIUS * extent.side_m) ** 2
    starts, near = _enough(starts, near)
    if not len(starts):
        return None
    means, normals, sigmas = _flat_parts(points - middle, near)
    best = int(sigmas.argmin())
    if sigmas[best] > _LARGEST_SIGMA_RAD:
        return None
    start, normal = starts[best], normals[best]
    if normal @ start > 0:
        normal = -normal
    point = start - ((start - middle - means[best]) @ normal) * normal
    along = point / np.linalg.norm(point)
    depth = float(along @ surface_covariance @ along)
    aside = least_variance((0.002 * point[2] + point[2] / lens.fx_px) ** 2, depth)
    covariance = np.outer(along, along) * depth + np.eye(3) * aside
    return PickPoint(point, covariance, normal, float(sigmas[best]))


def _enough(starts: FloatArray, near: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Return the patches that have enough samples, without those that start at the same one."""
    kept = np.count_nonzero(near, axis=1) >= _LEAST_POINTS
    first = np.zeros(len(starts), dtype=bool)
    first[np.unique(starts, axis=0, return_index=True)[1]] = True
    return starts[kept & first], near[kept & first]


def _flat_parts(points: FloatArray, near: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a plane through most samples of each patch.

    Args:
        points: ``(N, 3)``.
        near: ``(T, N)`` the samples of each patch, at least ``_LEAST_POINTS``.

    Returns:
        ``(T, 3)`` means and normals, and ``(T,)`` standard deviations of the normals, rad; infinite
        where too few samples lie in one plane.
    """
    products = (points[:, :, None] * points[:, None]).reshape(-1, 9)
    kept = near
    for _ in range(_ROUNDS):
        weight = kept.astype(np.float64)
        count = np.maximum(weight.sum(axis=1), 1.0)[:, None]
        means = weight @ points / count
        spread = (weight @ products / count).reshape(-1, 3, 3) - means[:, :, None] * means[:, None]
        values, vectors = np.linalg.eigh(spread)
        normals = vectors[:, :, 0]
        off = np.abs(normals @ points.T - np.einsum("tk,tk->t", means, normals)[:, None])
        ordered = np.sort(np.where(kept, off, np.inf), axis=1)
        half = np.maximum(np.count_nonzero(kept, axis=1) - 1, 0) // 2
        limit = ordered[np.arange(len(ordered)), half]
        limit = _TRIM * np.maximum(1.4826 * limit, _LEAST_SIGMA_M)
        before, kept = kept, near & (off < limit[:, None])
        if np.array_equal(before, kept):
            break
    number = np.count_nonzero(kept, axis=1)
    independent = np.maximum(_INDEPENDENT * number, 1.0)
    least, middle = np.maximum(values[:, 0], _LEAST_SIGMA_M**2), np.maximum(values[:, 1], 1e-12)
    tilt = np.sqrt(least / (middle * independent))
    sigmas = np.hypot(np.arctan(tilt), _LEAST_SIGMA_RAD)
    return means, normals, np.where(number >= _LEAST_POINTS, sigmas, np.inf)
