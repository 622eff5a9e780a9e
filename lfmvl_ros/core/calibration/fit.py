# SPDX-License-Identifier: Apache-2.0
"""Fits calibrations, and selects one by cross-validation.

Isotonic regression pools adjacent violators (Zadrozny and Elkan, KDD 2002), in blocks large enough
that a few boxes do not give a confidence of 0 or 1. The logistic ones minimise the log loss with
fixed signs. They are compared by the log loss on boxes of scenes left out of the fit. It is lowest
for the true shares, so it rewards both calibration and discrimination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.calibration.calibration import (
    Evidence,
    Fitted,
    IsotonicCalibration,
    LogisticCalibration,
)
from lfmvl_ros.core.calibration.reliability import expected_calibration_error

LEAST_BLOCK = 20
"""Boxes that share one value of the isotonic fit, and boxes for any fit, at least."""
FOLDS = 5
_SURE = 1e-3
"""Upper limit of the loss of one left-out box: -log of this. An isotonic curve may give 0 or 1."""
_PENALTY = 1e-4
WEIGHTS = ("intercept", "score", "label", "exist", "log_looseness", "looseness")
LOGISTIC: Mapping[str, tuple[str, ...]] = {
    "temperature": ("score",),
    "platt": ("intercept", "score"),
    "words": ("intercept", "label", "exist"),
    "words and box": ("intercept", "label", "exist", "log_looseness"),
    "words and box twice": ("intercept", "label", "exist", "log_looseness", "looseness"),
}
METHODS = ("isotonic", *LOGISTIC)


@dataclass(frozen=True)
class Comparison:
    """How a method did on boxes of scenes that its fit had not seen.

    Attributes:
        method: one of :data:`METHODS`.
        log_loss: mean of -log of the probability given to what was the case.
        error: expected calibration error, ten bins.
    """

    method: str
    log_loss: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "method": self.method,
            "log_loss": round(self.log_loss, 4),
            "ece": round(self.error, 4),
        }


def fit(method: str, evidence: Evidence, right: Sequence[bool] | NDArray[np.bool_]) -> Fitted:
    """Fit one of :data:`METHODS` to N boxes that are known to be right or wrong.

    Raises:
        ValueError: fewer than :data:`LEAST_BLOCK` boxes, or lengths differ.
    """
    hits = np.asarray(right, dtype=np.float64)
    if len(evidence) != len(hits) or len(hits) < LEAST_BLOCK:
        raise ValueError(
            f"a fit needs as many boxes as verdicts, at least {LEAST_BLOCK}; got {len(evidence)} "
            f"and {len(hits)}"
        )
    if method == "isotonic":
        return _fit_isotonic(evidence.score, hits)
    return _fit_logistic(LOGISTIC[method], evidence, hits)


def compare(
    evidence: Evidence, right: NDArray[np.bool_], groups: NDArray[np.int64]
) -> tuple[Comparison, ...]:
    """Try every method on folds of whole groups; the best comes first.

    Args:
        evidence: of N boxes.
        right: ``(N,)`` bool, whether each box is right.
        groups: ``(N,)`` int, the scene of each: one scene's boxes are never on both sides.
    """
    folds = np.unique(groups, return_inverse=True)[1] % FOLDS
    found = []
    for method in METHODS:
        given = np.zeros(len(right))
        for fold in range(FOLDS):
            out = folds == fold
            if out.any():
                given[out] = fit(method, evidence[~out], right[~out]).apply(evidence[out])
        error = expected_calibration_error(given, right)
        found.append(Comparison(method, log_loss(given, right), error))
    return tuple(sorted(found, key=lambda item: item.log_loss))


def log_loss(confidences: FloatArray, right: NDArray[np.bool_]) -> float:
    """Return the mean of -log of the probability given to what was the case; lower is better."""
    of_case = np.where(right, confidences, 1 - confidences)
    return float(-np.log(np.clip(of_case, _SURE, 1.0)).mean())


def _fit_logistic(free: Sequence[str], evidence: Evidence, hits: FloatArray) -> LogisticCalibration:
    """Minimise the log loss over the weights named; the others stay 0."""
    columns = np.concatenate([np.ones((len(hits), 1)), evidence.columns()], axis=1)
    columns = columns[:, [WEIGHTS.index(name) for name in free]]
    sides = 2 * hits - 1

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin = sides * (columns @ weights)
        slope = -sides / (1 + np.exp(np.minimum(margin, 500.0)))
        value = np.logaddexp(0, -margin).mean() + _PENALTY * (weights @ weights)
        return float(value), columns.T @ slope / len(hits) + 2 * _PENALTY * weights

    limits = {"intercept": (None, None), "log_looseness": (None, 0.0), "looseness": (None, 0.0)}
    bounds = [limits.get(name, (0.0, None)) for name in free]
    found = minimize(loss, np.zeros(len(free)), jac=True, bounds=bounds, method="L-BFGS-B")
    rounded = (round(float(value), 6) for value in found.x)
    return LogisticCalibration(**dict(zip(free, rounded, strict=True)))


def _fit_isotonic(given: FloatArray, hits: FloatArray) -> IsotonicCalibration:
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


def _through(blocks: list[tuple[float, float, float]]) -> IsotonicCalibration:
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
    return IsotonicCalibration(tuple(scores), tuple(shares))
