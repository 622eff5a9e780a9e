# SPDX-License-Identifier: Apache-2.0
"""Decides when a figure leaves its reference, and when it is back.

Both decisions are Page's test (E. S. Page, Continuous Inspection Schemes, Biometrika 41, 1954) on
the means of 20 answers, in units of their standard deviation: ``z``.

**Begin.** The mean is known from a reference; Page and Hinkley's test in its usual form learns it
as it goes, and so treats the first hours after each start as normal. Two one-sided sums::

    up = max(0, up + min(z, 3) - k)        down = max(0, down + min(-z, 3) - k)

A change begins when one of them exceeds 6. ``k`` is 1, and more where the mean of the reference is
less certain. For independent means a sum exceeds 6 once in about exp(2 k (6 + 1.17)) / (2 k²) >
800,000 of them (Siegmund's approximation), so that 60 figures make a false alarm about once in
130,000 answers.

**End.** While a figure has changed, the same test runs with its hypotheses exchanged: the null is
that it is still off by ``d``, the alternative that it is as in the reference. The sum is that of
the log likelihood ratios of normal distributions, where ``y`` is ``z`` in the direction of the
change, but not below ``-k``::

    back = max(0, back + d (d / 2 - y))

The change ends when ``back`` exceeds log(250): the means since some moment are then 250 times as
likely without the change as with it. ``d`` is the mean of ``y`` since the sum that gave the alarm
was last 0 (Page's estimate of when a change came), between ``k`` and ``2 k``: a change that becomes
smaller, but would still begin (a mean above ``k``), has not ended. No change ends while the sum of
the other direction is 1 or more: the figure then crosses the reference rather than comes back to
it. If that sum exceeds 6, the same change goes on in the other direction.
"""

from __future__ import annotations

import math

from lfmvl_ros.core.drift.reference import Normal

ALARM = 6.0
BACK_NATS = math.log(250.0)
_MOST_Z = 3.0  # a single unusual block is not a change
_ALLOWANCE = 1.0
_CROSSING = 1.0


class _Sum:
    """The sum of one direction, and the mean since it was last 0."""

    def __init__(self, allowance: float) -> None:
        self._allowance = allowance
        self.clear()

    def clear(self) -> None:
        self.total = self._off = 0.0
        self._blocks = 0

    def add(self, y: float) -> None:
        y = min(y, _MOST_Z)
        self.total += y - self._allowance
        self._off += y
        self._blocks += 1
        if self.total <= 0:
            self.clear()

    @property
    def mean(self) -> float:
        return self._off / max(self._blocks, 1)


class SequentialTests:
    """The tests of one figure.

    Args:
        normal: what it is in the reference.
    """

    def __init__(self, normal: Normal) -> None:
        self._normal = normal
        self._allowance = _ALLOWANCE + 1 / math.sqrt(normal.blocks)
        self._sums = {1: _Sum(self._allowance), -1: _Sum(self._allowance)}
        self._side = 0  # of the change: 1 above the reference, -1 below; 0: no change
        self._size = self._back = 0.0

    @property
    def has_changed(self) -> bool:
        """Whether a change has begun and not ended."""
        return self._side != 0

    def sigmas(self, mean: float) -> float:
        """Return how far a mean of 20 answers is from the reference, in standard deviations."""
        return (mean - self._normal.mean) / self._normal.sigma

    def add(self, mean: float) -> None:
        """Take the next mean of 20 answers."""
        z = self.sigmas(mean)
        for side, each in self._sums.items():
            each.add(side * z)
            if side != self._side and each.total > ALARM:
                self._begin(side)
                return
        if self._side:
            self._come_back(self._side * z)

    def _begin(self, side: int) -> None:
        self._side, self._back = side, 0.0
        self._size = min(max(self._sums[side].mean, self._allowance), 2 * self._allowance)
        self._sums[-side].clear()

    def _come_back(self, y: float) -> None:
        size, y = self._size, max(y, -self._allowance)
        self._back = max(0.0, self._back + size * (size / 2 - y))
        if self._back > BACK_NATS and self._sums[-self._side].total < _CROSSING:
            self._side = 0
            for each in self._sums.values():
                each.clear()
