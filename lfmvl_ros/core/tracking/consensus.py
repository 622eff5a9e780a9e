# SPDX-License-Identifier: Apache-2.0
"""The movement that most points of a box agree on: a shift and a growth, robustly.

Every few points propose a shift and all points vote on it. From the best proposal on, shift and
growth are fitted by iteratively reweighted least squares with a Gaussian kernel that narrows from
step to step (graduated non-convexity; Blake and Zisserman, "Visual reconstruction", 1987), so that
neither points on the background nor a moving limb pull at the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray

# Points whose movements differ by about this much belong together: as a share of the box's size
# at first and at last, and never less than LEAST_KERNEL_PX.
WIDE_KERNEL = 0.03
NARROW_KERNEL = 0.008
LEAST_KERNEL_PX = 0.5
STEPS = 6
# Points this many kernels away do not count at all, however many they are.
CUT = 2.0
PROPOSALS = 16
GOLDEN = 0.6180339887
# How much a proposal counts that the expected movement rules out.
UNEXPECTED = 0.05
# Growth is shrunk as if this many box sizes of spread were needed to measure half of it.
GROWTH_PRIOR = 0.1
MOST_GROWTH = 0.1
LEAST_POINTS = 3


@dataclass(frozen=True, eq=False)
class Agreed:
    """What the points of N boxes agree on.

    Attributes:
        shift: ``(N, 2)`` of the box's centre, px.
        growth: ``(N,)`` as a ratio, 1 where it was not measured.
        support: ``(N,)`` weighted share of the points that moved so, 0 where they are too few.
    """

    shift: FloatArray
    growth: FloatArray
    support: FloatArray


def agreed_motion(
    offsets: FloatArray,
    shifts: FloatArray,
    weight: FloatArray,
    sizes: FloatArray,
    expected: FloatArray,
    likely: FloatArray,
    expected_sigma: FloatArray,
    grows: NDArray[np.bool_],
) -> Agreed:
    """Fit a shift and a growth to the points of each box.

    Args:
        offsets: ``(N, K, 2)`` points relative to their box's centre, px.
        shifts: ``(N, K, 2)`` their movements, px.
        weight: ``(N, K)`` how much each counts; 0 where it was not followed.
        sizes: ``(N,)`` square root of each box's area, px.
        expected: ``(N, H, 2)`` movements that H hypotheses expect, px.
        likely: ``(N, H)`` their probabilities.
        expected_sigma: ``(N,)`` their standard deviation, px.
        grows: ``(N,)`` where growth may be measured.
    """
    # x and y apart, ``(2, N, K)``: sums over a last axis of two take several times as long.
    place = np.ascontiguousarray(offsets.transpose(2, 0, 1))
    moved = np.ascontiguousarray(shifts.transpose(2, 0, 1))
    wide = np.maximum(WIDE_KERNEL * sizes, LEAST_KERNEL_PX)
    narrow = np.maximum(NARROW_KERNEL * sizes, LEAST_KERNEL_PX)
    shift = _best_proposal(moved, weight, wide, expected, likely, expected_sigma)
    growth = np.zeros(len(sizes))
    held = (GROWTH_PRIOR * sizes) ** 2
    moments = _moments(place, moved)
    kernels = wide * (narrow / wide) ** (np.arange(STEPS)[:, None] / (STEPS - 1))
    scales = (-0.5 / kernels**2)[:, :, None]
    for i, scale in enumerate(scales):
        near = _squared_off(place, moved, shift, growth)
        near *= scale
        close = near > -(CUT**2) / 2
        np.exp(near, out=near)
        near *= weight
        near *= close
        # Weighted sums over all points of each box, in one product.
        sums = np.matmul(moments, near[:, :, None])[:, :, 0].T
        total = np.maximum(sums[0], 1e-9)
        means = (sums[1:5] / total).reshape(2, 2, -1)
        middle, mean = means
        if i:
            # About the weighted means: the sum of near (a - mean a) (b - mean b).
            product = means * middle
            about = (product[:, 0] + product[:, 1]) * (2 * total - sums[0])
            spread, along = sums[5:] - about
            growth = along / (spread + total * held)
            growth = np.minimum(np.maximum(growth, -MOST_GROWTH), MOST_GROWTH) * grows
        shift = mean - growth * middle
    together = _squared_off(place, moved, shift, growth) < (4 * narrow**2)[:, None]
    together &= weight > 0
    lost = together.sum(axis=1) < LEAST_POINTS
    share = (weight * together).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    return Agreed(
        np.where(lost[:, None], 0.0, shift.T),
        np.where(lost, 1.0, 1.0 + growth),
        np.where(lost, 0.0, share),
    )


def _moments(place: FloatArray, moved: FloatArray) -> FloatArray:
    """What is summed over the points of each box, ``(N, 7, K)``.

    1, place x and y, movement x and y, place squared, and place times movement.
    """
    moments = np.empty((place.shape[1], 7, place.shape[2]))
    moments[:, 0] = 1.0
    moments[:, 1], moments[:, 2] = place
    moments[:, 3], moments[:, 4] = moved
    moments[:, 5] = place[0] ** 2 + place[1] ** 2
    moments[:, 6] = place[0] * moved[0] + place[1] * moved[1]
    return moments


def _squared_off(
    place: FloatArray, moved: FloatArray, shift: FloatArray, growth: FloatArray
) -> FloatArray:
    """How far points ``(2, N, K)`` are from where a shift ``(2, N)`` and a growth put them, px^2.

    ``(N, K)``.
    """
    off = moved - shift[:, :, None]
    off -= growth[:, None] * place
    off *= off
    return np.asarray(off[0] + off[1])


@lru_cache(maxsize=16)
def _mixed(count: int) -> NDArray[np.intp]:
    """The numbers below ``count`` in an order that has nothing to do with their size."""
    return np.argsort(np.arange(count) * GOLDEN % 1)


def _best_proposal(
    moved: FloatArray,
    weight: FloatArray,
    kernel: FloatArray,
    expected: FloatArray,
    likely: FloatArray,
    expected_sigma: FloatArray,
) -> FloatArray:
    """The shift ``(2, N)`` of the point whose movement, of ``(2, N, K)``, has most votes."""
    # Every so many of the points in the order of their weights; those of equal weight in an order
    # that has nothing to do with where they lie.
    count = moved.shape[2]
    stride = max(-(-count // PROPOSALS), 1)
    mixed = _mixed(count)
    order = mixed[np.argsort(-weight[:, mixed], axis=1, kind="stable")[:, ::stride]]
    rows = np.arange(len(weight))
    proposed = moved[:, rows[:, None], order]
    possible = weight[rows[:, None], order] > 0
    variance = 2 * kernel**2
    apart = _squared_apart(proposed, moved)
    apart *= (-1 / variance)[:, None, None]
    votes = np.matmul(np.exp(apart, out=apart), weight[:, :, None])[:, :, 0]
    unlike = _squared_apart(proposed, expected.transpose(2, 0, 1))
    unlike /= -(2 * expected_sigma**2 + variance)[:, None, None]
    possibly = np.matmul(np.exp(unlike, out=unlike), likely[:, :, None])[:, :, 0]
    votes = np.where(possible, votes * (UNEXPECTED + possibly), -1.0)
    return np.asarray(proposed[:, rows, votes.argmax(axis=1)])


def _squared_apart(some: FloatArray, others: FloatArray) -> FloatArray:
    """Squared distances ``(N, P, K)`` between ``(2, N, P)`` and ``(2, N, K)`` points."""
    apart = some[:, :, :, None] - others[:, :, None, :]
    apart *= apart
    return np.asarray(apart[0] + apart[1])
