# SPDX-License-Identifier: Apache-2.0
"""Polygons, and how probably an uncertain point lies in one."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray


def is_simple(points: FloatArray) -> bool:
    """Tell whether a closed outline ``(K, 2)``, K >= 3, has an area and does not cross itself.

    Neighbouring edges may only share their common corner.
    """
    count = len(points)
    if count < 3 or abs(signed_area(points)) <= 1e-12:
        return False
    for i in range(count):
        for j in range(i + 1, count):
            ends = points[i], points[(i + 1) % count], points[j], points[(j + 1) % count]
            if j == i + 1 or (i == 0 and j == count - 1):
                near = (ends[0], ends[1], ends[3]) if j == i + 1 else (ends[2], ends[3], ends[1])
                if _folds_back(*near):
                    return False
            elif _cross(*ends):
                return False
    return True


def signed_area(points: FloatArray) -> float:
    """Return the area of an outline ``(K, 2)``; positive or negative by its direction."""
    ahead = np.roll(points, -1, axis=0)
    return float((points[:, 0] * ahead[:, 1] - points[:, 1] * ahead[:, 0]).sum() / 2)


def _turn(a: FloatArray, b: FloatArray, c: FloatArray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _folds_back(a: FloatArray, b: FloatArray, c: FloatArray) -> bool:
    """The edge from b to c goes back over the one from a to b."""
    return abs(_turn(a, b, c)) < 1e-12 and float((b - a) @ (c - b)) <= 0


def _cross(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> bool:
    """The edges from a to b and from c to d touch."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    for turn, point, (low, high) in zip(
        turns, (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True
    ):
        between = np.minimum(low, high) <= point, point <= np.maximum(low, high)
        if abs(turn) < 1e-12 and between[0].all() and between[1].all():
            return True
    return False


class Polygon:
    """A closed outline without crossings.

    Attributes:
        points: ``(K, 2)`` corners, K >= 3.

    Raises:
        ValueError: the outline crosses itself, touches itself or has no area.
    """

    def __init__(self, points: FloatArray) -> None:
        self.points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not is_simple(self.points):
            raise ValueError("a polygon needs three corners or more, and may not cross itself")
        self._ahead = np.roll(self.points, -1, axis=0)
        self._edge = self._ahead - self.points
        self._length2 = (self._edge**2).sum(axis=1)
        self._rising = np.where(self._edge[:, 1] == 0, 1.0, self._edge[:, 1])

    def inside(self, xy: FloatArray) -> np.ndarray:
        """Return which of the points ``(N, 2)`` lie inside, ``(N,)`` bool (even-odd rule)."""
        x, y = xy[:, :1], xy[:, 1:]
        (x1, y1), (_, y2) = self.points.T, self._ahead.T
        spans = (y1 > y) != (y2 > y)
        crossing = x1 + (y - y1) / self._rising * self._edge[:, 0] > x
        return np.asarray((spans & crossing).sum(axis=1) % 2 == 1)

    def probability(self, xy: FloatArray, covariance: FloatArray) -> FloatArray:
        """Return how probably each uncertain point lies inside, ``(N,)`` in [0, 1].

        The distance to the nearest edge, in standard deviations across it, as if that edge were
        straight on both sides. Exact for a half-plane; too large for polygons that are hardly
        larger than the uncertainty.

        Args:
            xy: ``(N, 2)`` means.
            covariance: ``(N, 2, 2)``.
        """
        if not len(xy):
            return np.zeros(0)
        from_corner = xy[:, None] - self.points
        along = (from_corner * self._edge).sum(axis=2) / self._length2
        away = from_corner - np.clip(along, 0.0, 1.0)[..., None] * self._edge
        distance2 = (away**2).sum(axis=2)
        nearest = distance2.argmin(axis=1)
        rows = np.arange(len(xy))
        distance, towards = np.sqrt(distance2[rows, nearest]), away[rows, nearest]
        on_edge = distance < 1e-9  # there, across the edge is the direction that counts
        across = self._edge[nearest][:, ::-1] * (1.0, -1.0)
        towards = np.where(on_edge[:, None], across, towards)
        length2 = np.maximum((towards**2).sum(axis=1), 1e-300)
        x, y = towards[:, 0], towards[:, 1]
        variance = x * x * covariance[:, 0, 0] + y * y * covariance[:, 1, 1]
        variance = (variance + 2 * x * y * covariance[:, 0, 1]) / length2
        sign = np.where(self.inside(xy), 1.0, -1.0)
        return np.asarray(ndtr(sign * distance / np.sqrt(np.maximum(variance, 1e-12))))
