# SPDX-License-Identifier: Apache-2.0
"""Process noise and box jitter, learned from the innovations of each answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, limited
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.tracking.motion import variances
from lfmvl_ros.core.tracking.sightings import Sightings
from lfmvl_ros.core.tracking.table import Table

# Sizes change more slowly than positions.
SIZE_NOISE_RATIO = 0.25
_AXES = np.array([1.0, 1.0, SIZE_NOISE_RATIO**2, SIZE_NOISE_RATIO**2])
# With pixels, velocities are measured at every frame, and hypotheses without flow must follow the
# turns that it misses. So they may change by this much more (in variance) than where they are
# extrapolated.
AGILITY = 6.25
MAX_EXCESS = 3.0
NOISE_SCALE_RANGE = (0.1, 16.0)
JITTER_RANGE = (0.25, 5.0)
# What is known of the jitter before the first answer, as Fisher information on the logarithm of its
# scale (2 for each axis of a box whose innovation is all jitter), and how fast it is forgotten, in
# shares of ``noise_adaptation`` an answer.
JITTER_PRIOR = 2.0
JITTER_FORGETS = 0.25
FRESH_RATE = 0.5
FRESH_RANGE = (0.02, 1.0)
# Sights in one answer that say little yet of how all boxes vary.
FEW = 2.0


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was learned from an answer that saw K tracks; see the attributes of ``Table``.

    Attributes:
        noise_scale: ``(K,)``.
        jitter, jitter_known: ``(4,)``.
        fresh: share in (0, 1].
        innovation: ``(K, 2)``.
    """

    noise_scale: FloatArray
    jitter: FloatArray
    jitter_known: FloatArray
    fresh: float
    innovation: FloatArray


def learnt_noise(table: Table, seen: Sightings, settings: TrackerSettings) -> Learnt:
    """What the innovations of an answer say about both noises.

    The logarithm of each scale takes a step in proportion to how far the innovations are off and
    how much of their spread it is responsible for (the gradient of their likelihood, a stochastic
    approximation). The step of the jitter is divided by what all boxes so far have said about it
    (their Fisher information, which fades), so that the first answers count most: a recursive
    maximum-likelihood estimate (Ljung, Söderström, "Theory and practice of recursive
    identification", 1983). Which of the two noises it is shows in the order of innovations: one
    that is like the one before means that the filter lags behind, one that is its opposite that it
    follows every box (Mehra, "On the identification of variances and adaptive Kalman filtering",
    IEEE Transactions on Automatic Control, 1970).

    An answer that states a larger error than its innovations show makes the same error again and
    again: ``fresh`` is the share of the stated variance that they do show.
    """
    rows = seen.rows
    difference = seen.boxes - table.mean[rows, :4]
    own, error = variances(table.covariance)[rows], variances(seen.error)
    spread, squared = own + error, difference**2
    excess = np.minimum(squared / spread - 1, MAX_EXCESS)
    innovation = difference[:, :2] / np.sqrt(spread[:, :2])
    alike = limited(innovation * table.innovation[rows], -MAX_EXCESS, MAX_EXCESS)
    says = own[:, :2] / spread[:, :2] * excess[:, :2] + alike
    moves = settings.noise_adaptation * ((says[:, 0] + says[:, 1]) / 2)
    noise_scale = limited(table.noise_scale[rows] * np.exp(moves), *NOISE_SCALE_RANGE)
    rate = settings.noise_adaptation * FRESH_RATE / (len(seen) + FEW)
    stated = variances(seen.stated)
    blamed = (error - stated) / spread
    known = (1 - JITTER_FORGETS * settings.noise_adaptation) * table.jitter_known
    known = known + 2 * (blamed**2).sum(axis=0)
    learning = settings.noise_adaptation > 0
    step = learning * (blamed * excess).sum(axis=0) / (known + JITTER_PRIOR)
    jitter = limited(table.jitter * np.exp(step), *JITTER_RANGE)
    # Without the filter's own variance, which is too large for what stands still.
    expected = error - (1 - table.fresh) * stated
    surplus = np.minimum(squared / expected - 1, MAX_EXCESS)
    told = float(((table.fresh * stated / expected * surplus).sum(axis=1) / 4).sum())
    fresh = min(max(table.fresh * float(np.exp(rate * told)), FRESH_RANGE[0]), FRESH_RANGE[1])
    return Learnt(noise_scale, jitter, known, fresh, innovation)


def process_noise(
    mean: FloatArray, noise_scale: FloatArray, settings: TrackerSettings
) -> FloatArray:
    """Spectral density ``(N, 4)`` of the acceleration of boxes ``(N, 8)``, px^2/s^3.

    ``settings.acceleration`` is for tracks without pixels; with them it is larger.
    """
    size = np.sqrt(mean[:, 2] * mean[:, 3])
    density = (settings.acceleration * size) ** 2 * noise_scale
    if settings.bridge == "flow":
        density = density * AGILITY
    return np.asarray(density[:, None] * _AXES)
