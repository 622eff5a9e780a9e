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
        self.frame = frame
        # Counterclockwise: of a convex outline, what is inside is left of every edge.
        self._start = self.points if signed_area(self.points) > 0 else self.points[::-1]
        self._ahead = np.roll(self._start, -1, axis=0)
        edge = self._ahead - self._start
        turns = edge[:, 0] * np.roll(edge[:, 1], -1) - edge[:, 1] * np.roll(edge[:, 0], -1)
        self._is_convex = bool((turns > 0).all())
        is_open = np.zeros(len(edge), dtype=np.bool_)
        for limit in frame or ():
            is_open |= ((self._start == limit) & (self._ahead == limit)).any(axis=1)
        self._all_open, self._any_open = bool(is_open.all()), bool(is_open.any())
        self._open_far = np.where(is_open, np.inf, 0.0)[:, None]
        self._across, self._rising = edge[:, 0], np.where(edge[:, 1] == 0, 1.0, edge[:, 1])
        # As complex numbers, (K, 1): one operation for both coordinates, and a product turns.
        to_complex = np.array([[1], [1j]])
        self._corner, self._edge = self._start @ to_complex, edge @ to_complex
        self._to_edge = self._edge.conj() / (edge**2).sum(axis=1)[:, None]

    def inside(self, xy: FloatArray) -> NDArray[Any]:
        """Return which of the points ``(N, 2)`` lie inside, ``(N,)`` bool (even-odd rule)."""
        x, y = xy[:, :1], xy[:, 1:]
        (x1, y1), (_, y2) = self._start.T, self._ahead.T
        spans = (y1 > y) != (y2 > y)
        crossing = x1 + (y - y1) / self._rising * self._across > x
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
        if self._all_open:
            return np.ones(len(xy))
        if self.frame is not None:
            low, high = self.frame
            xy = np.minimum(np.maximum(xy, low + _WITHIN), high - _WITHIN)
        points = np.ascontiguousarray(xy).view(np.complex128)[:, 0]
        from_corner = points - self._corner  # (K, N)
        turned = from_corner * self._to_edge  # real: share of the edge; imaginary: its left side
        along = np.minimum(np.maximum(turned.real, 0.0), 1.0)
        away = from_corner - along * self._edge
        distance = np.abs(away)
        if self._any_open:
            distance += self._open_far
        nearest, columns = distance.argmin(axis=0), np.arange(len(points))
        away, distance = away[nearest, columns], distance[nearest, columns]
        length = distance
        if distance.min() < 1e-9:  # on an edge: across it is the direction that counts
            away = np.where(distance < 1e-9, self._edge[nearest, 0] * -1j, away)
            length = np.abs(away)
        x, y = away.real / length, away.imag / length
        variance = x * x * covariance[:, 0, 0] + y * y * covariance[:, 1, 1]
        variance += 2 * x * y * covariance[:, 0, 1]
        inside = (turned.imag > 0).all(axis=0) if self._is_convex else self.inside(xy)
        sigmas = distance / np.sqrt(np.maximum(variance, 1e-12))
        return np.asarray(ndtr(np.where(inside, sigmas, -sigmas)))
