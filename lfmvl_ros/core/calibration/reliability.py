# SPDX-License-Identifier: Apache-2.0
"""Calibration error: how far confidences are from the share of right boxes, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray

Verdicts = Sequence[bool]


def expected_calibration_error(
    confidences: Sequence[float] | FloatArray, right: Verdicts | NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the mean distance between confidence and share that was right, over equal bins.

    Each bin of [0, 1] counts by the boxes in it (Guo et al., ICML 2017); 0 without boxes.

    >>> expected_calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    """
    given = np.asarray(confidences, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    if not len(given):
        return 0.0
    gaps = np.bincount(_bin_of(given, bins), weights=given - hits, minlength=bins)
    return float(np.abs(gaps).sum() / len(given))


def error_interval(
    confidences: FloatArray,
    right: NDArray[np.bool_],
    groups: NDArray[np.int64],
    *,
    share: float = 0.9,
    times: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bootstrap interval of the expected calibration error.

    Whole groups (scenes) are drawn with replacement, since the boxes of one scene err together.
    The interval leans upwards: the error of any finite sample is above 0, and drawing from a
    sample adds the sampling noise a second time.

    Args:
        confidences: ``(N,)`` in [0, 1].
        right: ``(N,)`` bool.
        groups: ``(N,)`` int, the scene of each box.
        share: how much of the draws lies in the interval.
        times: how many draws.
        seed: of the draws.
    """
    if not len(confidences):
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    member = np.unique(groups, return_inverse=True)[1]
    count, bins = int(member.max()) + 1, 10
    cell = member * bins + _bin_of(confidences, bins)
    summed = np.bincount(cell, weights=confidences - right, minlength=count * bins)
    gaps, boxes = summed.reshape(count, bins), np.bincount(member, minlength=count)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=times)
    errors = np.abs(drawn @ gaps).sum(axis=1) / np.maximum(drawn @ boxes, 1)
    low, high = np.quantile(errors, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def error_of_perfection(confidences: FloatArray, *, times: int = 300, seed: int = 0) -> float:
    """Return the error that these confidences would show on average if they held exactly.

    With few boxes, the share in a bin differs from its expectation by chance; no calibration can be
    measured to be better than this.
    """
    rng = np.random.default_rng(seed)
    draws = rng.random((times, len(confidences))) < confidences
    return float(np.mean([expected_calibration_error(confidences, drawn) for drawn in draws]))


def share_interval(share: float, count: float, *, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a share of so many; 95 % with the usual ``z``, 90 % with 1.645.

    >>> [round(end, 3) for end in share_interval(1.0, 20)]
    [0.839, 1.0]
    """
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    inside = share * (1 - share) / count + z * z / (4 * count * count)
    half = z * float(np.sqrt(inside)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability(
    confidences: FloatArray, right: Verdicts | NDArray[np.bool_], bins: int = 10
) -> list[dict[str, float]]:
    """Return one entry a filled bin: boxes in it, mean confidence, share that was right."""
    which = _bin_of(confidences, bins)
    hits = np.asarray(right, dtype=np.float64)
    return [
        {
            "boxes": int((which == i).sum()),
            "confidence": round(float(confidences[which == i].mean()), 4),
            "right": round(float(hits[which == i].mean()), 4),
        }
        for i in range(bins)
        if (which == i).any()
    ]


def ranking(confidences: FloatArray, right: NDArray[np.bool_]) -> float:
    """Return how often a right box has more confidence than a wrong one (area under the ROC curve).

    Ties count half; 0.5 where there is nothing to compare.

    >>> ranking(np.array([0.9, 0.4, 0.5, 0.2]), np.array([True, True, False, False]))
    0.75
    """
    hits, misses = confidences[right], np.sort(confidences[~right])
    if not len(hits) or not len(misses):
        return 0.5
    below = np.searchsorted(misses, hits, "left") + np.searchsorted(misses, hits, "right")
    return float(below.mean() / 2 / len(misses))


def _bin_of(confidences: FloatArray, bins: int) -> NDArray[np.intp]:
    return np.minimum((confidences * bins).astype(np.int64), bins - 1)
