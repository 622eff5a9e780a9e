# SPDX-License-Identifier: Apache-2.0
"""Points, speeds, distances and times to contact of many uncertain objects at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules.condition import EXACT, Column
from lfmvl_ros.core.rules.history import Moment
from lfmvl_ros.core.rules.rule import Point
from lfmvl_ros.core.timeline import NS

# Corners of a box to its centre and size, as :func:`lfmvl_ros.core.boxes.xyxy_to_cxcywh`, in one
# operation.
CENTRE_AND_SIZE = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])


@lru_cache(maxsize=64)
def to_shares(point: Point, wh: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return what turns boxes into points as shares of the image.

    Returns:
        ``(4, 2)`` that centre and size in px are multiplied by, and ``(16, 4)`` for their
        covariance: it is linear in it, too.
    """
    below = 0.5 if point is Point.FOOT else 0.0  # cx, cy + h / 2
    of_box = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, below]])
    of_box /= np.maximum(wh, 1)
    return of_box, np.asarray(np.kron(of_box, of_box), dtype=np.float64)


def exact(values: FloatArray) -> Column:
    """Return numbers that are known exactly."""
    return Column(values, EXACT)


def unknown(count: int) -> Column:
    """Return numbers that are all unknown."""
    return Column(np.full(count, np.nan), EXACT)


def length(step: FloatArray, spread: FloatArray) -> Column:
    """Return the length of uncertain vectors ``(N, D)``: sigma along the vector."""
    size = np.sqrt(np.einsum("ni,ni->n", step, step))
    along = step / np.maximum(size, 1e-9)[:, None]
    variance = np.einsum("ni,nij,nj->n", along, spread, along)
    at_rest = size < 1e-9
    if at_rest.any():  # no direction: the largest variance of any
        variance = np.where(at_rest, np.trace(spread, axis1=1, axis2=2), variance)
    return Column(size, np.sqrt(np.maximum(variance, 0.0)))


def speed(step: FloatArray, spread: FloatArray, passed_s: float, there: Any) -> Column:
    """Return the speed of steps ``(N, D)`` in a time; NaN for what was not ``there``."""
    found = length(step, spread)
    mean = np.where(there, found.mean / max(passed_s, 1e-6), np.nan)
    return Column(mean, found.sigma / max(passed_s, 1e-6))


def contact(
    now: Moment, then: Moment, rows: Any, there: Any, time_s: float
) -> tuple[FloatArray, FloatArray]:
    """Return each object's probability to arrive within a time, and its time to contact, s.

    It is computed from the growth of the box: at constant speed, an object whose size grew from s1
    to s2 in a time T arrives in T / (s2 / s1 - 1). The logarithm of the growth is assumed to be
    normally distributed. Of width and height, the one with less variance is used; a side that is
    cut by the image border is not.

    Args:
        now: the tracks.
        then: an earlier moment.
        rows: row of each track in ``then``: ``(N,)``, or a slice.
        there: ``(N,)`` whether the track existed then.
        time_s: > 0.
    """
    passed_s = (now.stamp_ns - then.stamp_ns) * NS
    (new, new_variance), (old, old_variance) = now.sides, then.sides
    growth = np.log(new / old[:, rows])
    wide, high = np.maximum(new_variance + old_variance[:, rows], 1e-8)
    by_height, variance = high < wide, np.minimum(wide, high)
    known = there & np.isfinite(variance)
    grown = np.where(known, np.where(by_height, growth[1], growth[0]), 0.0)
    held = np.where(known, ndtr((grown - np.log1p(passed_s / time_s)) / np.sqrt(variance)), 0.0)
    rate = np.expm1(grown)
    return held, np.where(rate > 1e-6, passed_s / np.maximum(rate, 1e-6), np.inf)
