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


def box_units(patch: Patch) -> tuple[FloatArray, FloatArray]:
    """Return x ``(C,)`` and y ``(R,)`` of the samples: 0 in the middle of the box, 1 a side on."""
    x0, y0, x1, y1 = patch.xyxy_px
    width, height = patch.box_wh_px
    return (patch.u_px - (x0 + x1) / 2) / width, (patch.v_px - (y0 + y1) / 2) / height


def surrounding_planes(patch: Patch, usable: BoolArray) -> list[Plane]:
    """Return up to two planes of the surroundings, the best supported first.

    Args:
        patch: the samples.
        usable: ``(R, C)`` samples outside the box that may support a plane.
    """
    rows, columns = np.nonzero(usable)
    if len(rows) < _LEAST_SAMPLES:
        return []
    if len(rows) > _MOST_SAMPLES:
        kept = np.linspace(0, len(rows) - 1, _MOST_SAMPLES).astype(int)
        rows, columns = rows[kept], columns[kept]
    x, y = box_units(patch)
    points = np.column_stack([x[columns], y[rows], np.ones(len(rows))])
    inverse = patch.inverse[rows, columns].astype(np.float64)
    total, found = len(inverse), []
    for draw in _DRAWS:
        least = max(_LEAST_SAMPLES, _LEAST_SHARE * total)
        if len(inverse) < least:
            break
        fit = _best_plane(points, inverse, draw)
        if fit is None:
            break
        near = np.abs(points @ fit - inverse) < TOLERANCE * inverse
        support = int(np.count_nonzero(near))
        if support < least:
            break
        predicted = x[None] * fit[0] + (y[:, None] * fit[1] + fit[2])
        mask = patch.has_depth & (np.abs(patch.inverse - predicted) < _REMOVED * predicted)
        found.append(Plane(fit, support / total, mask))
        points, inverse = points[~near], inverse[~near]
    return found


def _through(triples: FloatArray, inverse: FloatArray) -> FloatArray:
    """Return the planes ``(T, 3)`` through three points each, by Cramer's rule; 0 where they align.

    Args:
        triples: ``(T, 3, 3)`` rows x, y, 1.
        inverse: ``(T, 3)`` there.
    """
    x1, x2 = (triples[:, k, 0] - triples[:, 0, 0] for k in (1, 2))
    y1, y2 = (triples[:, k, 1] - triples[:, 0, 1] for k in (1, 2))
    d1, d2 = (inverse[:, k] - inverse[:, 0] for k in (1, 2))
    area = x1 * y2 - x2 * y1
    good = np.abs(area) > 1e-4
    area = np.where(good, area, 1.0)
    a, b = (d1 * y2 - d2 * y1) / area, (x1 * d2 - x2 * d1) / area
    c = inverse[:, 0] - a * triples[:, 0, 0] - b * triples[:, 0, 1]
    return np.asarray(np.stack([a, b, c], axis=1) * good[:, None])


def _best_plane(points: FloatArray, inverse: FloatArray, draw: FloatArray) -> FloatArray | None:
    """Return the plane through three samples that most others support, fitted to those."""
    pick = (draw * len(inverse)).astype(int)
    triples = points[pick]
    planes = _through(triples, inverse[pick])
    near = np.abs(planes @ points.T - inverse) < TOLERANCE * inverse
    best = near[int(np.count_nonzero(near, axis=1).argmax())]
    if np.count_nonzero(best) < 3:
        return None
    used = points[best]
    try:
        return np.asarray(np.linalg.solve(used.T @ used, used.T @ inverse[best]))
    except np.linalg.LinAlgError:
        return None
