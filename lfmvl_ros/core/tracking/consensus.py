# SPDX-License-Identifier: Apache-2.0
"""The movement that most points of a box agree on: a shift and a growth, robustly.

Every few points propose a shift and all points vote on it. From the best proposal on, shift and
growth are fitted by iteratively reweighted least squares with a Gaussian kernel that narrows from
step to step (graduated non-convexity; Blake and Zisserman, "Visual reconstruction", 1987), so that
neither points on the background nor a moving limb pull at the result.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    wide = np.maximum(WIDE_KERNEL * sizes, LEAST_KERNEL_PX)
    narrow = np.maximum(NARROW_KERNEL * sizes, LEAST_KERNEL_PX)
    shift = _best_proposal(shifts, weight, wide, expected, likely, expected_sigma)
    growth = np.zeros(len(sizes))
    held = (GROWTH_PRIOR * sizes) ** 2
    for i in range(STEPS):
        kernel = wide * (narrow / wide) ** (i / (STEPS - 1))
        off = shifts - shift[:, None] - growth[:, None, None] * offsets
        far = (off**2).sum(axis=-1) / kernel[:, None] ** 2
        near = np.where(far < CUT**2, weight * np.exp(-far / 2), 0.0)
        total = np.maximum(near.sum(axis=1), 1e-9)
        middle = np.einsum("nk,nkd->nd", near, offsets) / total[:, None]
        mean = np.einsum("nk,nkd->nd", near, shifts) / total[:, None]
        if i:
            from_middle = offsets - middle[:, None]
            spread = np.einsum("nk,nkd,nkd->n", near, from_middle, from_middle)
            along = np.einsum("nk,nkd,nkd->n", near, from_middle, shifts - mean[:, None])
            growth = np.clip(along / (spread + total * held), -MOST_GROWTH, MOST_GROWTH) * grows
        shift = mean - growth[:, None] * middle
    off = shifts - shift[:, None] - growth[:, None, None] * offsets
    together = (weight > 0) & ((off**2).sum(axis=-1) < 4 * narrow[:, None] ** 2)
    count = together.sum(axis=1)
    share = (weight * together).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    lost = count < LEAST_POINTS
    return Agreed(
        np.where(lost[:, None], 0.0, shift),
        np.where(lost, 1.0, 1.0 + growth),
        np.where(lost, 0.0, share),
    )


def _best_proposal(
    shifts: FloatArray,
    weight: FloatArray,
    kernel: FloatArray,
    expected: FloatArray,
    likely: FloatArray,
    expected_sigma: FloatArray,
) -> FloatArray:
    """The shift ``(N, 2)`` of the point whose movement has most votes."""
    # Every so many of the points in the order of their weights; those of equal weight in an order
    # that has nothing to do with where they lie.
    count = shifts.shape[1]
    stride = max(-(-count // PROPOSALS), 1)
    mixed = np.argsort(np.arange(count) * GOLDEN % 1)
    order = mixed[np.argsort(-weight[:, mixed], axis=1, kind="stable")[:, ::stride]]
    proposed = np.take_along_axis(shifts, order[:, :, None], axis=1)
    possible = np.take_along_axis(weight, order, axis=1) > 0
    apart = ((proposed[:, :, None] - shifts[:, None]) ** 2).sum(axis=-1)
    variance = kernel[:, None] ** 2
    votes = np.einsum("npk,nk->np", np.exp(-apart / (2 * variance[:, :, None])), weight)
    surprise = ((proposed[:, :, None] - expected[:, None]) ** 2).sum(axis=-1)
    surprise = surprise / (2 * (expected_sigma[:, None] ** 2 + variance))[:, :, None]
    possibly = np.einsum("nph,nh->np", np.exp(-surprise), likely)
    votes = np.where(possible, votes * (UNEXPECTED + possibly), -1.0)
    best = votes.argmax(axis=1)
    return np.asarray(proposed[np.arange(len(best)), best])
