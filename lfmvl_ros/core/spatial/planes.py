# SPDX-License-Identifier: Apache-2.0
"""Finds the planes around a box: floor, wall, table. Samples on them are not the object.

The inverse depth of a plane is affine in the pixel, so a plane is three numbers and its fit is
linear. RANSAC (Fischler and Bolles, 1981) finds them, with a fixed seed, so that equal images give
equal places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import BoolArray, Patch

# A sample within this share of a plane's inverse depth supports it; a little more is removed.
TOLERANCE = 0.012
_REMOVED = 1.6 * TOLERANCE
_LEAST_SHARE = 0.12
_LEAST_SAMPLES = 12
_MOST_SAMPLES = 250
_TRIES = 20
_MOST_PLANES = 2
# A determinant below this share of the product of the diagonal is 0 but for rounding.
_SINGULAR = 1e-12
# Three points that span less than this, in squared sides of the box, are on a line.
_ALIGNED = 1e-4
_EVENLY = np.linspace(0, 1, _MOST_SAMPLES)
# Random numbers in [0, 1) that pick three samples for each try, drawn once.
_DRAWS = np.random.default_rng(12345).random((_MOST_PLANES, _TRIES, 3))


class Plane(NamedTuple):
    """``inverse = a x + b y + c``, with x and y in units of the box from its middle.

    Attributes:
        coefficients: ``(3,)`` a, b, c in 1/m.
        support: share of the surroundings that lie on it.
        mask: ``(R, C)`` samples of the patch on it.
    """

    coefficients: FloatArray
    support: float
    mask: BoolArray


def surrounding_planes(patch: Patch, usable: BoolArray) -> list[Plane]:
    """Return up to two planes of the surroundings, the best supported first.

    Args:
        patch: the samples.
        usable: ``(R, C)`` samples outside the box that may support a plane.
    """
    at = usable.ravel().nonzero()[0]
    if len(at) < _LEAST_SAMPLES:
        return []
    if len(at) > _MOST_SAMPLES:
        at = at[(_EVENLY * (len(at) - 1)).astype(np.intp)]
    x, y = patch.box_units
    rows, columns = np.divmod(at, len(x))
    points: FloatArray = np.ones((4, len(at)))  # x, y, 1, inverse depth
    points[0], points[1], points[3] = x[columns], y[rows], patch.inverse.ravel()[at]
    total, found = len(at), []
    least = max(_LEAST_SAMPLES, _LEAST_SHARE * total)
    for draw in _DRAWS:
        fit = _best_plane(points, draw) if points.shape[1] >= least else None
        if fit is None:
            break
        near = np.abs(fit @ points[:3] - points[3]) < TOLERANCE * points[3]
        support = int(np.count_nonzero(near))
        if support < least:
            break
        found.append(Plane(fit, support / total, _on_plane(patch, fit)))
        points = points.compress(~near, axis=1)
    return found


def _on_plane(patch: Patch, fit: FloatArray) -> BoolArray:
    """Return ``(R, C)`` which samples lie on a plane."""
    a, b, c = fit.tolist()
    x, y = patch.box_units
    # In the precision of the samples: arrays of two precisions take three times as long.
    across, down = (a * x).astype(np.float32), (b * y + c).astype(np.float32)
    predicted = across[None] + down[:, None]
    off = patch.inverse - predicted
    np.abs(off, out=off)
    predicted *= np.float32(_REMOVED)
    on_plane: BoolArray = off < predicted
    on_plane &= patch.has_depth
    return on_plane


def _through(points: FloatArray) -> FloatArray:
    """Return the planes ``(T, 4)`` through three points each, by Cramer's rule.

    Their last column is -1, so that the product with a point is how far it is off. Where the points
    are aligned, a, b and c are 0.

    Args:
        points: ``(4, T, 3)`` x, y, 1 and inverse depth.
    """
    first, (second, third) = points[:, :, 0], (points - points[:, :, :1]).T[1:].transpose(0, 2, 1)
    x1, y1, _, d1 = second
    x2, y2, _, d2 = third
    area = x1 * y2 - x2 * y1
    aligned = np.abs(area) <= _ALIGNED
    area[aligned] = np.inf
    planes = np.empty((4, area.size))
    planes[3] = -1.0
    np.divide(d1 * y2 - d2 * y1, area, out=planes[0])
    np.divide(x1 * d2 - x2 * d1, area, out=planes[1])
    np.subtract(first[3], (planes[:2] * first[:2]).sum(axis=0), out=planes[2])
    planes[2, aligned] = 0.0
    return planes.T


def _best_plane(points: FloatArray, draw: FloatArray) -> FloatArray | None:
    """Return the plane through three samples that most others support, fitted to those.

    Args:
        points: ``(4, N)`` x, y, 1 and inverse depth.
        draw: ``(T, 3)`` random numbers in [0, 1).
    """
    pick = (draw * points.shape[1]).astype(np.intp)
    # In units of the tolerance.
    off = _through(points.take(pick, axis=1)) @ (points / (TOLERANCE * points[3]))
    near = np.abs(off, out=off) < 1.0
    counts = np.add.reduce(near.view(np.uint8), axis=1, dtype=np.uint16)
    best = int(counts.argmax())
    if counts[best] < 3:
        return None
    used = points.compress(near[best], axis=1)
    return _solved(used[:3] @ used.T)


def _solved(rows: FloatArray) -> FloatArray | None:
    """Return the solution of three linear equations ``(3, 4)`` by Cramer's rule; None without one.

    ``np.linalg.solve`` takes longer than this for so few.
    """
    (a, b, c, p), (d, e, f, q), (g, h, i, r) = rows.tolist()
    minors = e * i - f * h, f * g - d * i, d * h - e * g
    whole = a * minors[0] + b * minors[1] + c * minors[2]
    if abs(whole) <= _SINGULAR * a * e * i:
        return None
    first, last = q * i - f * r, d * r - q * g
    x = p * minors[0] - b * first + c * (q * h - e * r)
    y = a * first + p * minors[1] + c * last
    z = a * (e * r - q * h) - b * last + p * minors[2]
    return np.array([x / whole, y / whole, z / whole])
