# SPDX-License-Identifier: Apache-2.0
"""Which box belongs to which track: the likeliest explanation of the whole answer.

A pair costs twice its negative log-likelihood ratio against "the track was missed and the box is
something new" (the track score of Blackman, "Multiple hypothesis tracking for multiple target
tracking", IEEE AES Magazine 2004). Position and size count together, in standard
deviations, so no threshold depends on resolution, box size, answer rate or latency. Some boxes are
far off (half covered, or drawn around two objects), so the likelihood is a multivariate Student
t, whose tails are heavier than a Gaussian's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import fdtri, gammaln  # scipy.stats takes a third of a second to import

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy, iou_matrix
from lfmvl_ros.core.tracking.motion import variances

IntArray = NDArray[np.intp]
Likeness = Callable[[IntArray, IntArray], FloatArray]

DETECTION_PROBABILITY = 0.9
NEW_PER_ANSWER = 0.5
WRONG_LABEL = 0.05
# No hypothesis gets a probability of zero.
LEAST_SHARE = 0.02
# A pair outside the gate is still the same object if the boxes overlap this much and the track has
# had the label before.
OVERLAP = 0.3
SAME_LABEL = 0.3
# Degrees of freedom of the Student t, and -2 log of its density's constant in four dimensions.
TAIL = 4.0
_CONSTANT = float(2 * (gammaln(TAIL / 2) - gammaln(TAIL / 2 + 2)) + 4 * np.log(TAIL * np.pi))


@dataclass(frozen=True, eq=False)
class Pairs:
    """K matches: ``tracks[k]`` saw ``boxes[k]`` with normalised innovation squared ``nis[k]``.

    ``otherwise[k]``: the box fits another hypothesis than the first; see :func:`associate`.
    """

    tracks: IntArray
    boxes: IntArray
    nis: FloatArray
    otherwise: NDArray[np.bool_]

    def rows(self, tracks: int) -> IntArray | slice:
        """Return ``tracks`` as an index; given how many there are, all in order are a slice.

        Arrays are not gathered and scattered then, which takes longer than what is computed.
        """
        if len(self.tracks) < tracks:
            return self.tracks
        in_place = np.count_nonzero(self.tracks == np.arange(tracks))
        return slice(None) if in_place == tracks else self.tracks

    def unmatched(self, tracks: int, boxes: int) -> tuple[IntArray, IntArray]:
        """Return which tracks and boxes are in no pair, given how many there are."""
        track, box = np.ones(tracks, dtype=np.bool_), np.ones(boxes, dtype=np.bool_)
        track[self.tracks], box[self.boxes] = False, False
        return np.flatnonzero(track), np.flatnonzero(box)

    def joined(self, other: Pairs) -> Pairs:
        """Return these matches followed by others."""
        return Pairs(
            np.concatenate([self.tracks, other.tracks]),
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.nis, other.nis]),
            np.concatenate([self.otherwise, other.otherwise]),
        )


def new_object_density(wh: tuple[int, int]) -> float:
    """Return how many unexpected boxes an answer brings per px^4 of position and size.

    Half a box an answer, anywhere in the image, up to half of it wide and high.
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
    otherwise: tuple[FloatArray, FloatArray, FloatArray] | None = None,
    likeness: Likeness | None = None,
) -> Pairs:
    """Match N tracks with M boxes, one to one.

    Args:
        mean: ``(N, 4+)`` predicted boxes cx, cy, w, h first.
        covariance: ``(N, 4+, 4+)``.
        existence: ``(N,)`` probability that the track is a real object, in (0, 1).
        label_share: ``(N, M)`` share of a track's label evidence that agrees with a box's label.
        boxes: ``(M, 4)``.
        error: ``(M, 4, 4)``.
        gate_probability: share of correct matches that lie within the gate, in (0, 1).
        density: of unexpected boxes, see :func:`new_object_density`.
        otherwise: H hypotheses of where the tracks are, of which ``mean`` and ``covariance`` are
            the first: means ``(N, H, 4+)``, covariance ``(N, 4+, 4+)`` of all but the first,
            and probabilities ``(N, H)``.
        likeness: log-likelihood ratio ``(K,)`` that boxes look like tracks, of indices ``(K,)``.
    """
    gate = _gate(gate_probability)
    # A pair's alternative: the track was missed, the box is something new.
    seen = DETECTION_PROBABILITY * existence
    odds = 2 * np.log(seen / ((1 - seen) * density))
    # Flat, so that a pair is one index.
    count = len(boxes)
    gain, nis = np.zeros((2, len(mean) * count))
    other = np.zeros(len(gain), dtype=np.bool_)
    places: list[tuple[FloatArray, FloatArray, FloatArray | None]] = [(mean, covariance, None)]
    if otherwise is not None:
        means, spread, share = otherwise
        places = [(mean, covariance, share[:, 0])]
        places += [(means[:, k], spread, share[:, k]) for k in range(1, means.shape[1])]
    for index, (place, spread, probability) in enumerate(places):
        track, box, cost, distance = _costs(place, spread, boxes, error, gate)
        same = WRONG_LABEL + (1 - WRONG_LABEL) * label_share[track, box]
        if probability is not None:
            same *= np.maximum(probability[track], LEAST_SHARE)
        cost -= odds[track] + 2 * np.log(same)
        if likeness is not None:
            cost -= 2 * likeness(track, box)
        pair = track * count + box
        better = cost < gain[pair]
        pair = pair[better]
        gain[pair], nis[pair] = cost[better], distance[better]
        if index:
            other[pair] = True
    rows, columns = linear_sum_assignment(gain.reshape(len(mean), count))
    pair = rows * count + columns
    real = gain[pair] < 0
    pair = pair[real]
    return Pairs(rows[real], columns[real], nis[pair], other[pair])


def _costs(
    mean: FloatArray, covariance: FloatArray, boxes: FloatArray, error: FloatArray, gate: float
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Track, box, twice the negative log-likelihood and d^2 of the K pairs inside the gate."""
    track, box = _candidates(mean, covariance, boxes, error, gate)
    if not track.size:
        return track, box, np.zeros(0), np.zeros(0)
    system = _system(covariance, -mean[:, :4]).take(track, axis=1)
    system += _system(error, boxes).take(box, axis=1)
    cost, distance = _student(system)
    inside = distance <= gate
    return track[inside], box[inside], cost[inside], distance[inside]


def with_overlapping(
    pairs: Pairs, mean: FloatArray, label_share: FloatArray, boxes: FloatArray, nis: float
) -> Pairs:
    """Return ``pairs``, and those outside the gate whose boxes overlap.

    A box is sometimes cut by something in front, or drawn around two objects. It still shows the
    tracked object, and a second track for it could take over the first one's id.

    Args:
        pairs: those within the gate.
        mean: ``(N, 4+)`` predicted boxes cx, cy, w, h first.
        label_share: ``(N, M)`` see :func:`associate`.
        boxes: ``(M, 4)``.
        nis: normalised innovation squared that the added pairs get.
    """
    if len(pairs.tracks) in (len(mean), len(boxes)):
        return pairs
    track, box = pairs.unmatched(len(mean), len(boxes))
    sized = np.concatenate([mean[track, :2], np.maximum(mean[track, 2:4], 1.0)], axis=1)
    overlap = iou_matrix(cxcywh_to_xyxy(sized), cxcywh_to_xyxy(boxes[box]))
    overlap[label_share[np.ix_(track, box)] < SAME_LABEL] = 0.0
    rows, columns = linear_sum_assignment(-overlap)
    same = overlap[rows, columns] >= OVERLAP
    stated = np.full(int(same.sum()), nis)
    first = np.zeros(len(stated), dtype=np.bool_)
    return pairs.joined(Pairs(track[rows[same]], box[columns[same]], stated, first))


@lru_cache(maxsize=8)
def _gate(probability: float) -> float:
    """Squared Mahalanobis distance within which a Student t has this share of its mass."""
    return float(4 * fdtri(4, TAIL, probability))


def _candidates(
    mean: FloatArray, covariance: FloatArray, boxes: FloatArray, error: FloatArray, gate: float
) -> tuple[IntArray, IntArray]:
    """Pairs that may pass the gate: ``d' S^-1 d >= d_k^2 / S_kk`` for each k, so none is lost."""
    # By axis, ``(4, N)`` and ``(4, M)``.
    own, theirs = (gate * variances(each).T.copy() for each in (covariance, error))
    here, there = mean[:, :4].T.copy(), boxes.T.copy()
    # Most pairs are far apart in x or y; the other axes are checked only for the rest.
    near = _squared(here[0], there[0]) <= own[0][:, None] + theirs[0]
    near &= _squared(here[1], there[1]) <= own[1][:, None] + theirs[1]
    pairs = near.reshape(-1).nonzero()[0]
    track = pairs // max(len(boxes), 1)
    box = pairs - len(boxes) * track
    off = there[2:].take(box, axis=1)
    off -= here[2:].take(track, axis=1)
    off *= off
    alike = off <= own[2:].take(track, axis=1) + theirs[2:].take(box, axis=1)
    both = alike[0] & alike[1]
    return track[both], box[both]


def _squared(some: FloatArray, others: FloatArray) -> FloatArray:
    """Squared differences ``(N, M)``."""
    off = others - some[:, None]
    off *= off
    return np.asarray(off)


def student_cost(
    mean: FloatArray, covariance: FloatArray, boxes: FloatArray, error: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Twice the negative log-likelihood and squared Mahalanobis distance of K pairs, each ``(K,)``.

    Args:
        mean: ``(K, 4+)``.
        covariance: ``(K, 4+, 4+)``.
        boxes: ``(K, 4)``.
        error: ``(K, 4, 4)``.
    """
    return _student(_system(covariance, -mean[:, :4]) + _system(error, boxes))


# Of a flat 4x4 matrix followed by four more numbers: each column on and below the diagonal, and one
# of the four; and which of these are one column.
_ENTRIES = np.array([0, 4, 8, 12, 16, 5, 9, 13, 17, 10, 14, 18, 15, 19])
_COLUMNS = (slice(0, 5), slice(5, 9), slice(9, 12), slice(12, 14))


def _system(covariance: FloatArray, off: FloatArray) -> FloatArray:
    """Covariances ``(N, 4+, 4+)`` with differences ``(N, 4)``, ``(14, N)``.

    The columns of the lower triangle, each with its difference below it.
    """
    flat = np.empty((20, len(off)))
    flat[:16].reshape(4, 4, len(off))[:] = covariance[:, :4, :4].transpose(1, 2, 0)
    flat[16:] = off.T
    return flat.take(_ENTRIES, axis=0)


def _student(system: FloatArray) -> tuple[FloatArray, FloatArray]:
    """See :func:`student_cost`, for the sum of both :func:`_system`, which is overwritten.

    The Cholesky factor and the solution are computed for all K at once, column by column, which
    takes a tenth of the time of as many calls to LAPACK.
    """
    done: list[FloatArray] = []
    volume, distance = np.ones(system.shape[1]), np.zeros(system.shape[1])
    for place, rows in enumerate(_COLUMNS):
        column = system[rows]
        if done:
            # The part that the columns before explain.
            lower = [each[place - k :] for k, each in enumerate(done)]
            known = lower[0] * lower[0][0]
            for each in lower[1:]:
                known += each * each[0]
            column -= known
        pivot = column[0]
        volume *= pivot
        below = column[1:]
        below *= 1 / np.sqrt(pivot)
        done.append(column)
        distance += below[-1] * below[-1]
    return (TAIL + 4) * np.log1p(distance / TAIL) + np.log(volume) + _CONSTANT, distance
