# SPDX-License-Identifier: Apache-2.0
"""Which box belongs to which track: the likeliest explanation of the whole answer.

A pair costs twice its negative log-likelihood ratio against "the track was missed and the box is
something new" (the track score of Blackman, "Multiple hypothesis tracking for multiple target
tracking", IEEE AES Magazine 2004). Position and size count together, in units of what they may
be off by, so no threshold depends on resolution, box size, answer rate or latency. Boxes are now
and then far off (half covered, drawn around two things), so the likelihood is a multivariate
Student t, whose tails are heavier than a Gaussian's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln
from scipy.stats import f as f_distribution

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy, iou_matrix

IntArray = NDArray[np.intp]

DETECTION_PROBABILITY = 0.9
NEW_PER_ANSWER = 0.5
WRONG_LABEL = 0.05
# What the gate refuses is the same object still if the boxes overlap this much, and the label is
# not a new one.
OVERLAP = 0.3
SAME_LABEL = 0.3
# Degrees of freedom of the Student t, and -2 log of its density's constant in four dimensions.
TAIL = 4.0
_CONSTANT = float(2 * (gammaln(TAIL / 2) - gammaln(TAIL / 2 + 2)) + 4 * np.log(TAIL * np.pi))


@dataclass(frozen=True, eq=False)
class Pairs:
    """K matches: ``tracks[k]`` saw ``boxes[k]`` with normalised innovation squared ``nis[k]``."""

    tracks: IntArray
    boxes: IntArray
    nis: FloatArray


def new_object_density(wh: tuple[int, int]) -> float:
    """Return how many unexpected boxes an answer brings per px^4 of position and size.

    Half a box an answer, anywhere in the picture, up to half of it wide and high.
    """
    area = float(wh[0] * wh[1])
    return NEW_PER_ANSWER / (area * max(area / 4, 1.0))


def associate(
    mean: FloatArray,
    covariance: FloatArray,
    existence: FloatArray,
    label_share: FloatArray,
    boxes: FloatArray,
    error: FloatArray,
    *,
    gate_probability: float,
    density: float,
) -> Pairs:
    """Match N tracks with M boxes, one to one.

    Args:
        mean: ``(N, 4+)`` predicted boxes cx, cy, w, h first.
        covariance: ``(N, 4+, 4+)``.
        existence: ``(N,)`` probability that the track is something real, in (0, 1).
        label_share: ``(N, M)`` share of a track's label evidence that agrees with a box's label.
        boxes: ``(M, 4)``.
        error: ``(M, 4, 4)``.
        gate_probability: share of true matches that the gate lets pass.
        density: of unexpected boxes, see :func:`new_object_density`.
    """
    gain = np.zeros((len(mean), len(boxes)))
    nis = np.zeros_like(gain)
    gate = _gate(gate_probability)
    track, box = _candidates(mean, covariance, boxes, error, gate)
    if track.size:
        distance, log_volume = _innovation(mean, covariance, boxes, error, track, box)
        seen = DETECTION_PROBABILITY * existence[track]
        same = WRONG_LABEL + (1 - WRONG_LABEL) * label_share[track, box]
        tailed = (TAIL + 4) * np.log1p(distance / TAIL)
        likelihood = tailed + log_volume + _CONSTANT - 2 * np.log(seen * same)
        alternative = -2 * np.log((1 - seen) * density)
        gain[track, box] = np.where(distance <= gate, np.minimum(likelihood - alternative, 0.0), 0)
        nis[track, box] = distance
    rows, columns = linear_sum_assignment(gain)
    real = gain[rows, columns] < 0
    rows, columns = rows[real], columns[real]
    return Pairs(rows, columns, nis[rows, columns])


def with_overlapping(
    pairs: Pairs, mean: FloatArray, label_share: FloatArray, boxes: FloatArray, nis: float
) -> Pairs:
    """Return ``pairs`` with those added that the gate refused although the boxes overlap.

    A box is at times cut by something in front or drawn around two things. It is the same object
    all the same, and a second track on top of the first one would take its id.

    Args:
        pairs: what the gate let pass.
        mean: ``(N, 4+)`` predicted boxes cx, cy, w, h first.
        label_share: ``(N, M)`` see :func:`associate`.
        boxes: ``(M, 4)``.
        nis: to be stated for the pairs added.
    """
    track = np.setdiff1d(np.arange(len(mean)), pairs.tracks)
    box = np.setdiff1d(np.arange(len(boxes)), pairs.boxes)
    if not track.size or not box.size:
        return pairs
    sized = np.concatenate([mean[track, :2], np.maximum(mean[track, 2:4], 1.0)], axis=1)
    overlap = iou_matrix(cxcywh_to_xyxy(sized), cxcywh_to_xyxy(boxes[box]))
    overlap[label_share[np.ix_(track, box)] < SAME_LABEL] = 0.0
    rows, columns = linear_sum_assignment(-overlap)
    same = overlap[rows, columns] >= OVERLAP
    return Pairs(
        np.concatenate([pairs.tracks, track[rows[same]]]),
        np.concatenate([pairs.boxes, box[columns[same]]]),
        np.concatenate([pairs.nis, np.full(int(same.sum()), nis)]),
    )


@lru_cache(maxsize=8)
def _gate(probability: float) -> float:
    """Squared Mahalanobis distance within which a Student t has this share of its mass."""
    return float(4 * f_distribution.ppf(probability, 4, TAIL))


def _candidates(
    mean: FloatArray, covariance: FloatArray, boxes: FloatArray, error: FloatArray, gate: float
) -> tuple[IntArray, IntArray]:
    """Pairs that may pass the gate: ``d' S^-1 d >= d_k^2 / S_kk`` for each k, so none is lost."""
    possible = np.ones((len(mean), len(boxes)), dtype=np.bool_)
    for axis in range(4):
        spread = covariance[:, None, axis, axis] + error[None, :, axis, axis]
        possible &= (boxes[None, :, axis] - mean[:, None, axis]) ** 2 <= gate * spread
    track, box = np.nonzero(possible)
    return track, box


def _innovation(
    mean: FloatArray,
    covariance: FloatArray,
    boxes: FloatArray,
    error: FloatArray,
    track: IntArray,
    box: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Squared Mahalanobis distance and log-determinant of K pairs, each ``(K,)``."""
    factor = np.linalg.cholesky(covariance[track, :4, :4] + error[box])
    difference = (boxes[box] - mean[track, :4])[:, :, None]
    whitened = np.linalg.solve(factor, difference)[:, :, 0]
    log_volume = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return (whitened**2).sum(axis=1), log_volume
