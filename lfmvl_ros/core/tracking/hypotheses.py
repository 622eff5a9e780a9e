# SPDX-License-Identifier: Apache-2.0
"""Three motion hypotheses per track: with the flow, with the scene, or with the image.

Optical flow is precise, but sometimes it measures something else: the background behind an object
that the camera follows, or something that passes in front. The other two hypotheses do
not use the flow of the box. Their velocity comes from answers only: relative to the scene, so that
they move with the camera's motion (a robot drives past objects), or relative to the image (a camera
follows an object). Each answer updates the probabilities of the three (Blom and
Bar-Shalom, "The interacting multiple model algorithm", IEEE Transactions on Automatic Control,
1988).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking.association import Pairs, student_cost
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.motion import Transition, correct, transition
from lfmvl_ros.core.tracking.noise import process_noise
from lfmvl_ros.core.tracking.table import MIN_SIDE_PX, Table

FLOW, SCENE, IMAGE = 0, 1, 2
# Log-odds before the first answer, how much of the past evidence remains after an answer, and how
# much one answer may add.
PRIOR = np.array([2.5, 0.5, 0.0])
MEMORY = 0.8
MOST_SAID = 3.0
# Flow that is this unlikely restarts from the best of the others.
GIVEN_UP = 0.1


def over(table: Table, since_ns: int, stamp_ns: int, settings: TrackerSettings) -> Transition:
    """Return how the tracks of a table get from one time to a later one."""
    total_s = np.full(len(table), (stamp_ns - since_ns) * NS)
    steady_s = np.minimum(np.maximum((table.steady_until_ns - since_ns) * NS, 0.0), total_s)
    return transition(steady_s, total_s - steady_s, settings.velocity_decay_s)


def with_sides(mean: FloatArray) -> FloatArray:
    """Set sides of boxes ``(N, ..., 8)`` to a pixel at least, in place; return them.

    Otherwise a box that shrinks fast would get negative sides over a long gap.
    """
    sides = mean[..., 2:4]
    np.maximum(sides, MIN_SIDE_PX, out=sides)
    return mean


@dataclass(frozen=True, eq=False)
class Predictions:
    """Tracks predicted to a later time: from all measurements, and from answers only.

    See :class:`~lfmvl_ros.core.tracking.table.Table` for the shapes. The arrays are new ones.
    """

    mean: FloatArray
    covariance: FloatArray
    alone_mean: FloatArray
    alone_covariance: FloatArray


def predictions(table: Table, stamp_ns: int, settings: TrackerSettings) -> Predictions:
    """Return the tracks predicted to a time after the table's own, without the camera's motion."""
    step = over(table, table.stamp_ns, stamp_ns, settings)
    if table.alone_ns != table.stamp_ns:
        mean = with_sides(step.of_mean(table.mean))
        covariance = step.of_covariance(table.covariance, table.noise)
        alone_mean, alone_covariance = without_flow(table, stamp_ns, settings)
        return Predictions(mean, covariance, alone_mean.copy(), alone_covariance)
    # Both at once, as one array.
    means = np.concatenate([table.mean[:, None], table.alone_mean], axis=1)
    spreads = np.stack([table.covariance, table.alone_covariance], axis=1)
    noises = np.stack([table.noise, _noise_alone(table, settings)], axis=1)
    means = with_sides(step.of_mean(means))
    spreads = step.of_covariance(spreads, noises)
    return Predictions(means[:, 0], spreads[:, 0], means[:, 1:], spreads[:, 1])


def without_flow(
    table: Table, stamp_ns: int, settings: TrackerSettings
) -> tuple[FloatArray, FloatArray]:
    """Means ``(N, 2, 8)`` in scene and image and covariance ``(N, 8, 8)`` from answers only.

    The first includes the camera's motion as far as it was measured.
    """
    if stamp_ns <= table.alone_ns or not len(table):
        return table.alone_mean, table.alone_covariance
    step = over(table, table.alone_ns, stamp_ns, settings)
    mean = with_sides(step.of_mean(table.alone_mean))
    return mean, step.of_covariance(table.alone_covariance, _noise_alone(table, settings))


def _noise_alone(table: Table, settings: TrackerSettings) -> FloatArray:
    return process_noise(table.alone_mean[:, 0], np.ones(len(table)), settings)


def all_means(table: Table) -> FloatArray:
    """Means ``(N, 3, 8)`` of the hypotheses, with velocities in the image."""
    every = np.concatenate([table.mean[:, None], table.alone_mean], axis=1)
    every[:, SCENE, 4:6] += table.background
    return every


def weighed(belief: FloatArray) -> FloatArray:
    """Return the probability ``(N, 3)`` of each hypothesis, from its log-odds after all answers."""
    odds = PRIOR + belief
    odds = np.exp(odds - odds.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def judged(table: Table, seen: Measurements, pairs: Pairs) -> Table:
    """Update the probabilities of the hypotheses with the boxes of an answer.

    Returns the tracks with each matched one at the mean of its hypotheses by their probability,
    and with the other hypotheses corrected by its box.
    """
    rows, boxes, error = pairs.tracks, seen.boxes[pairs.boxes], seen.error[pairs.boxes]
    if not rows.size:
        return table
    every, alone = all_means(table)[rows], table.alone_covariance[rows]
    spreads = np.stack([table.covariance[rows], alone, alone], axis=1)
    says = np.stack(
        [-student_cost(every[:, k], spreads[:, k], boxes, error)[0] / 2 for k in range(3)], axis=1
    )
    says = np.maximum(says - says.max(axis=1, keepdims=True), -MOST_SAID)
    share = table.weight[rows] * np.exp(says)
    share /= share.sum(axis=1, keepdims=True)
    belief = table.belief.copy()
    belief[rows] = MEMORY * belief[rows] + says - says.mean(axis=1, keepdims=True)
    mean, covariance = table.mean.copy(), table.covariance.copy()
    mean[rows] = np.einsum("nk,nkd->nd", share, every)
    apart = every - mean[rows][:, None]
    covariance[rows] = np.einsum("nk,nkij->nij", share, spreads)
    covariance[rows] += np.einsum("nk,nki,nkj->nij", share, apart, apart)
    alone_mean, alone_covariance = table.alone_mean.copy(), table.alone_covariance.copy()
    for each in (0, 1):
        fixed, spread = correct(alone_mean[rows, each], alone, boxes, error)
        fixed[:, 2:4] = np.maximum(fixed[:, 2:4], MIN_SIDE_PX)
        alone_mean[rows, each], alone_covariance[rows] = fixed, spread
    weight = table.weight.copy()
    weight[rows] = weighed(belief[rows])
    return table.changed(
        mean=mean,
        covariance=covariance,
        belief=belief,
        weight=weight,
        alone_mean=alone_mean,
        alone_covariance=alone_covariance,
    )


def reseated(table: Table) -> Table:
    """Return the tracks; where flow is unlikely, it restarts from the best other hypothesis."""
    lost: NDArray[np.intp] = np.flatnonzero(table.weight[:, FLOW] < GIVEN_UP)
    if not lost.size:
        return table
    best = table.weight[lost].argmax(axis=1)
    mean, covariance = table.mean.copy(), table.covariance.copy()
    mean[lost] = all_means(table)[lost, best]
    covariance[lost] = table.alone_covariance[lost]
    return table.changed(mean=mean, covariance=covariance)


def sharpened(weight: FloatArray) -> FloatArray:
    """Squared probabilities ``(N, H)``, normalised: close to the likeliest, but continuous."""
    sharp = weight**2
    return np.asarray(sharp / np.maximum(sharp.sum(axis=1, keepdims=True), 1e-12))


def fused(table: Table) -> Table:
    """Return the tracks with mean and covariance over all hypotheses of each, to be published."""
    sharp, every = sharpened(table.weight), all_means(table)
    mean = np.einsum("nk,nkd->nd", sharp, every)
    apart = every - mean[:, None]
    flow = sharp[:, FLOW, None, None]
    covariance = flow * table.covariance + (1 - flow) * table.alone_covariance
    covariance += np.einsum("nk,nki,nkj->nij", sharp, apart, apart)
    return table.changed(mean=mean, covariance=covariance)
