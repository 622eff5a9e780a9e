# SPDX-License-Identifier: Apache-2.0
"""Polygons, and how probably an uncertain point lies in one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray

_WITHIN = 1e-6  # of the frame: so near to its border a point counts as within


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
        frame: lower and upper limit of both coordinates between which everything is seen. An edge
            on a limit is not a border, since an object there may continue outside. None: no limit.

    Raises:
        ValueError: the outline crosses itself, touches itself or has no area.
    """

    def __init__(self, points: FloatArray, frame: tuple[float, float] | None = None) -> None:
        self.points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not is_simple(self.points):
            raise ValueError("a polygon needs three corners or more, and may not cross itself")
        self._ahead = np.roll(self.points, -1, axis=0)
        self._edge = self._ahead - self.points
        self._length2 = (self._edge**2).sum(axis=1)
        self.frame = frame
        self._is_open = np.zeros(len(self.points), dtype=np.bool_)
        for limit in frame or ():
            self._is_open |= ((self.points == limit) & (self._ahead == limit)).any(axis=1)
        self._any_open = bool(self._is_open.any())
        self._rising = np.where(self._edge[:, 1] == 0, 1.0, self._edge[:, 1])
        # Of a convex outline, what is inside is on one side of every edge: faster to tell.
        turns = self._edge[:, 0] * np.roll(self._edge[:, 1], -1)
        turns -= self._edge[:, 1] * np.roll(self._edge[:, 0], -1)
        convex = bool((turns > 0).all() or (turns < 0).all())
        self._side = float(np.sign(turns[0])) if convex else 0.0

    def inside(self, xy: FloatArray) -> NDArray[Any]:
        """Return which of the points ``(N, 2)`` lie inside, ``(N,)`` bool (even-odd rule)."""
        x, y = xy[:, :1], xy[:, 1:]
        (x1, y1), (_, y2) = self.points.T, self._ahead.T
        spans = (y1 > y) != (y2 > y)
        crossing = x1 + (y - y1) / self._rising * self._edge[:, 0] > x
        return np.asarray((spans & crossing).sum(axis=1) % 2 == 1)

    def probability(self, xy: FloatArray, covariance: FloatArray) -> FloatArray:
        """Return how probably each uncertain point lies inside, ``(N,)`` in [0, 1].

        It follows from the distance to the nearest edge, in standard deviations across that edge,
        as if the edge were endless. This is exact for a half-plane, and too large for polygons that
        are hardly larger than the uncertainty.

        Args:
            xy: ``(N, 2)`` means.
            covariance: ``(N, 2, 2)``.
        """
        if not len(xy):
            return np.zeros(0)
        if self._is_open.all():
            return np.ones(len(xy))
        if self.frame is not None:
            low, high = self.frame
            xy = np.minimum(np.maximum(xy, low + _WITHIN), high - _WITHIN)
        from_x, from_y = xy[:, :1] - self.points[:, 0], xy[:, 1:] - self.points[:, 1]
        edge_x, edge_y = self._edge.T
        along = (from_x * edge_x + from_y * edge_y) / self._length2
        along = np.minimum(np.maximum(along, 0.0), 1.0)
        away_x, away_y = from_x - along * edge_x, from_y - along * edge_y
        distance2 = away_x * away_x + away_y * away_y
        if self._any_open:
            distance2 = np.where(self._is_open, np.inf, distance2)
        nearest = distance2.argmin(axis=1)
        at = nearest + np.arange(len(xy)) * len(self.points)
        distance, x, y = np.sqrt(distance2.take(at)), away_x.take(at), away_y.take(at)
        on_edge = distance < 1e-9  # there, across the edge is the direction that counts
        if on_edge.any():
            x = np.where(on_edge, edge_y[nearest], x)
            y = np.where(on_edge, -edge_x[nearest], y)
        length2 = np.maximum(x * x + y * y, 1e-300)
        variance = x * x * covariance[:, 0, 0] + y * y * covariance[:, 1, 1]
        variance = (variance + 2 * x * y * covariance[:, 0, 1]) / length2
        if self._side:
            inside = ((edge_x * from_y - edge_y * from_x) * self._side > 0).all(axis=1)
        else:
            inside = self.inside(xy)
        sigmas = distance / np.sqrt(np.maximum(variance, 1e-12))
        return np.asarray(ndtr(np.where(inside, sigmas, -sigmas)))
