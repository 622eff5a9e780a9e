# SPDX-License-Identifier: Apache-2.0
"""From a model's own probabilities to shares that hold: isotonic regression, and how far off.

A calibrated confidence of 0.9 says: of such boxes, nine in ten were right (label, and IoU of at
least 0.5) on scenes that the fit did not see. The order of scores never changes, so no ranking and
no recall at a given precision does.

Isotonic regression by pooling adjacent violators (Zadrozny and Elkan, KDD 2002), with blocks large
enough that a few boxes do not make a certainty; between blocks the map is linear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray

SCHEMA = "lfmvl/calibration/1"
LEAST_BLOCK = 20
"""Boxes that share one value of the fit, at least."""


@dataclass(frozen=True)
class Calibration:
    """A monotone, piecewise linear map of [0, 1] into itself; constant beyond its ends.

    Attributes:
        scores: knots, strictly increasing, at least one.
        shares: what each stands for, never decreasing.

    Raises:
        ValueError: they are not as said above.

    >>> Calibration((0.2, 0.8), (0.1, 0.9)).apply(np.array([0.0, 0.5, 1.0])).tolist()
    [0.1, 0.5, 0.9]
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.shares) or not self.scores:
            raise ValueError(
                f"a Calibration needs as many scores as shares, at least one; got "
                f"{len(self.scores)} and {len(self.shares)}"
            )
        if not all(math.isfinite(v) and 0 <= v <= 1 for v in (*self.scores, *self.shares)):
            raise ValueError("scores and shares of a Calibration lie in [0, 1]")
        if any(b <= a for a, b in zip(self.scores, self.scores[1:], strict=False)):
            raise ValueError("scores of a Calibration increase from knot to knot")
        if any(b < a for a, b in zip(self.shares, self.shares[1:], strict=False)):
            raise ValueError("shares of a Calibration never decrease")

    def apply(self, scores: FloatArray) -> FloatArray:
        """Return what scores ``(N,)`` in [0, 1] stand for, ``(N,)`` in [0, 1]."""
        return np.asarray(np.interp(scores, self.scores, self.shares), dtype=np.float64)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON object that :meth:`from_document` reads."""
        return {"schema": SCHEMA, "scores": list(self.scores), "shares": list(self.shares)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Calibration:
        """Read a JSON object; further keys are skipped.

        Raises:
            ValueError: it is none of this version, or not monotone.
        """
        if document.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}, got {document.get('schema')!r}")
        try:
            scores = tuple(float(value) for value in document["scores"])
            shares = tuple(float(value) for value in document["shares"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"scores and shares must be lists of numbers ({error})") from error
        return cls(scores, shares)


def fit_isotonic(scores: Sequence[float] | FloatArray, right: Sequence[bool]) -> Calibration:
    """Fit the map from scores to the share that was right.

    Args:
        scores: N scores in [0, 1], in any order.
        right: N times whether the box was right.

    Raises:
        ValueError: fewer than :data:`LEAST_BLOCK` boxes, or lengths differ.
    """
    given = np.asarray(scores, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    if len(given) != len(hits) or len(given) < LEAST_BLOCK:
        raise ValueError(
            f"a fit needs as many scores as verdicts, at least {LEAST_BLOCK}; got {len(given)} "
            f"and {len(hits)}"
        )
    order = np.argsort(given, kind="stable")
    blocks: list[tuple[float, float, float]] = []  # boxes, sum of scores, sum of hits
    for low, high in _slices(given[order]):
        part = order[low:high]
        block = (float(len(part)), float(given[part].sum()), float(hits[part].sum()))
        while blocks and blocks[-1][2] * block[0] >= block[2] * blocks[-1][0]:
            last = blocks.pop()
            block = (block[0] + last[0], block[1] + last[1], block[2] + last[2])
        blocks.append(block)
    return _through(blocks)


def _slices(ordered: FloatArray) -> list[tuple[int, int]]:
    """Cut into runs of at least LEAST_BLOCK; equal scores are never parted."""
    cuts, start = [], 0
    while start < len(ordered):
        end = min(start + LEAST_BLOCK, len(ordered))
        end = int(np.searchsorted(ordered, ordered[end - 1], side="right"))
        if len(ordered) - end < LEAST_BLOCK:
            end = len(ordered)
        cuts.append((start, end))
        start = end
    return cuts


def _through(blocks: list[tuple[float, float, float]]) -> Calibration:
    """Return the map through the blocks' means; rounding must not break what it promises."""
    scores: list[float] = []
    shares: list[float] = []
    for count, total, hits in blocks:
        score, share = round(total / count, 6), round(hits / count, 6)
        if scores and score <= scores[-1]:
            shares[-1] = max(shares[-1], share)
            continue
        scores.append(min(score, 1.0))
        shares.append(max(share, shares[-1] if shares else 0.0))
    return Calibration(tuple(scores), tuple(shares))


def expected_calibration_error(
    confidences: Sequence[float] | FloatArray, right: Sequence[bool], bins: int = 10
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
    which = np.minimum((given * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(which, weights=given - hits, minlength=bins)
    return float(np.abs(gaps).sum() / len(given))


def reliability(
    confidences: FloatArray, right: Sequence[bool], bins: int = 10
) -> list[dict[str, float]]:
    """Return one entry a filled bin: boxes in it, mean confidence, share that was right."""
    which = np.minimum((confidences * bins).astype(np.int64), bins - 1)
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
