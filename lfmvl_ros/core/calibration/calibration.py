# SPDX-License-Identifier: Apache-2.0
"""Maps the token probabilities of a box to the share of such boxes that are right.

A calibrated confidence of 0.9 means that of such boxes, nine in ten were right (label, and IoU of
at least 0.5) on scenes that the fit did not see. Both kinds of map are monotone: a box that the
model is more certain of never gets a lower confidence.

- :class:`IsotonicCalibration`: any rising curve over the token score.
- :class:`LogisticCalibration`: logistic regression on several pieces of evidence, of which
  temperature and Platt scaling are special cases (Platt 1999; Guo et al., ICML 2017).

:mod:`lfmvl_ros.core.calibration.fit` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from scipy.special import expit, logit

from lfmvl_ros.core.boxes import FloatArray

SCHEMA_ISOTONIC = "lfmvl/calibration/1"
SCHEMA_LOGISTIC = "lfmvl/calibration/2"
_LEAST = 1e-4
"""Probabilities are limited to this distance from 0 and 1, so that logits stay within 9.3."""
_LOOSENESS = (1e-3, 10.0)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence for each of N boxes; every array is ``(N,)`` float64.

    Attributes:
        score: ``label * exist``, the uncalibrated confidence, in [0, 1].
        label: probability of the label's tokens, in [0, 1].
        exist: probability of the tokens that decided that one more object follows, in [0, 1].
        looseness: deviations of left and right side over the width, plus those of upper and lower
            side over the height; 0.2 means a tenth of the size on each side. NaN for a box
            without size.
    """

    score: FloatArray
    label: FloatArray
    exist: FloatArray
    looseness: FloatArray

    def __post_init__(self) -> None:
        shapes = {getattr(self, field.name).shape for field in fields(self)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"the arrays of Evidence are all (N,), got {sorted(shapes)}")

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: Any) -> Evidence:
        """Return the evidence of some boxes: an index array or a mask."""
        return Evidence(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, *others: Evidence) -> Evidence:
        """Return the evidence of all, concatenated."""
        every = (self, *others)
        return Evidence(
            *(np.concatenate([getattr(e, field.name) for e in every]) for field in fields(self))
        )

    def columns(self) -> FloatArray:
        """Return ``(N, 5)``: what a :class:`LogisticCalibration` weighs, in its order."""
        loose = np.clip(np.nan_to_num(self.looseness, nan=_LOOSENESS[1]), *_LOOSENESS)
        sure = [
            logit(np.clip(part, _LEAST, 1 - _LEAST))
            for part in (self.score, self.label, self.exist)
        ]
        return np.stack([*sure, np.log(loose), loose], axis=1)


def looseness_of(xyxy: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return how uncertain boxes ``(N, 4)`` are for their size, ``(N,)``; see :class:`Evidence`.

    >>> looseness_of(np.array([[0.0, 0, 100, 50]]), np.array([[5.0, 2, 5, 3]])).tolist()
    [0.2]
    """
    size = xyxy[:, 2:] - xyxy[:, :2]
    spread = sigma[:, :2] + sigma[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(size > 0, spread / size, np.nan).sum(axis=1))


class Calibration(Protocol):
    """Maps a checkpoint's evidence to confidences."""

    def apply(self, evidence: Evidence) -> FloatArray:
        """Return the confidence of each box, ``(N,)`` in [0, 1]."""


@dataclass(frozen=True)
class IsotonicCalibration:
    """A rising, piecewise linear map of the token score; constant beyond its ends.

    Attributes:
        scores: knots in [0, 1], strictly increasing, at least one.
        shares: confidence at each knot, in [0, 1], never decreasing.

    Raises:
        ValueError: they are outside the ranges above.

    >>> IsotonicCalibration((0.2, 0.8), (0.1, 0.9)).of_scores(np.array([0.0, 0.5, 1.0])).tolist()
    [0.1, 0.5, 0.9]
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.shares) or not self.scores:
            raise ValueError(
                f"a calibration needs as many scores as shares, at least one; got "
                f"{len(self.scores)} and {len(self.shares)}"
            )
        if not all(math.isfinite(v) and 0 <= v <= 1 for v in (*self.scores, *self.shares)):
            raise ValueError("scores and shares of a calibration lie in [0, 1]")
        if any(b <= a for a, b in zip(self.scores, self.scores[1:], strict=False)):
            raise ValueError("scores of a calibration increase from knot to knot")
        if any(b < a for a, b in zip(self.shares, self.shares[1:], strict=False)):
            raise ValueError("shares of a calibration never decrease")

    def apply(self, evidence: Evidence) -> FloatArray:
        """Return the confidence of each box, ``(N,)`` in [0, 1]."""
        return self.of_scores(evidence.score)

    def of_scores(self, scores: FloatArray) -> FloatArray:
        """Return the confidences of scores ``(N,)`` in [0, 1], ``(N,)`` in [0, 1]."""
        return np.asarray(np.interp(scores, self.scores, self.shares), dtype=np.float64)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON object that :func:`calibration_from` reads."""
        return {"schema": SCHEMA_ISOTONIC, "scores": list(self.scores), "shares": list(self.shares)}


@dataclass(frozen=True)
class LogisticCalibration:
    """``1 / (1 + exp(-z))``, where ``z`` is a weighted sum of the evidence.

    Attributes:
        intercept: constant term.
        score, label, exist: weights of their log-odds, not below 0.
        log_looseness, looseness: weights of the box's looseness, not above 0.

    Raises:
        ValueError: a weight is not finite, or has the wrong sign.
    """

    intercept: float = 0.0
    score: float = 0.0
    label: float = 0.0
    exist: float = 0.0
    log_looseness: float = 0.0
    looseness: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(getattr(self, field.name)) for field in fields(self)):
            raise ValueError("the weights of a calibration are finite numbers")
        if min(self.score, self.label, self.exist) < 0:
            raise ValueError("score, label and exist of a calibration are not below 0")
        if max(self.log_looseness, self.looseness) > 0:
            raise ValueError("log_looseness and looseness of a calibration are not above 0")

    def apply(self, evidence: Evidence) -> FloatArray:
        """Return the confidence of each box, ``(N,)`` in [0, 1]."""
        weights = [self.score, self.label, self.exist, self.log_looseness, self.looseness]
        return np.asarray(expit(self.intercept + evidence.columns() @ np.array(weights)))

    def to_document(self) -> dict[str, Any]:
        """Return the JSON object that :func:`calibration_from` reads."""
        weights = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"schema": SCHEMA_LOGISTIC, "logistic": weights}


Fitted = IsotonicCalibration | LogisticCalibration
"""A calibration that a file can hold."""


def calibration_from(document: Mapping[str, Any]) -> Fitted:
    """Read what ``to_document`` returned; further keys are skipped.

    Raises:
        ValueError: its version is unknown, or it is not a valid calibration.
    """
    schema = document.get("schema")
    try:
        if schema == SCHEMA_LOGISTIC:
            return LogisticCalibration(**{k: float(v) for k, v in document["logistic"].items()})
        if schema == SCHEMA_ISOTONIC:
            scores = tuple(float(value) for value in document["scores"])
            return IsotonicCalibration(scores, tuple(float(v) for v in document["shares"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks numbers that {schema} has ({error})") from error
    raise ValueError(f"schema must be {SCHEMA_ISOTONIC} or {SCHEMA_LOGISTIC}, got {schema!r}")
