# SPDX-License-Identifier: Apache-2.0
"""Speeds, distances and times to contact of many uncertain objects at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules.condition import Column
from lfmvl_ros.core.rules.history import Moment
from lfmvl_ros.core.timeline import NS


def exact(values: FloatArray) -> Column:
    """Return numbers that are known exactly."""
    return Column(values, np.zeros(len(values)))


def unknown(count: int) -> Column:
    """Return numbers that are all unknown."""
    return Column(np.full(count, np.nan), np.zeros(count))


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
        rows: ``(N,)`` row of each track in ``then``.
        there: ``(N,)`` whether the track existed then.
        time_s: > 0.
    """
    passed_s = (now.stamp_ns - then.stamp_ns) * NS
    new, old = np.maximum(now.cxcywh[:, 2:], 1.0), np.maximum(then.cxcywh[rows, 2:], 1.0)
    growth = np.log(new / old)
    at = np.arange(2, 4)
    variance = now.covariance[:, at, at] / new**2 + then.covariance[rows][:, at, at] / old**2
    variance = np.where(np.isnan(growth) | ~there[:, None], np.inf, np.maximum(variance, 1e-8))
    best, pick = variance.argmin(axis=1), np.arange(len(rows))
    known = np.isfinite(variance[pick, best])
    grown = np.where(known, growth[pick, best], 0.0)
    sigma = np.sqrt(np.where(known, variance[pick, best], 1.0))
    held = np.where(known, ndtr((grown - np.log1p(passed_s / time_s)) / sigma), 0.0)
    rate = np.expm1(grown)
    return held, np.where(rate > 1e-6, passed_s / np.maximum(rate, 1e-6), np.inf)
