# SPDX-License-Identifier: Apache-2.0
"""How far two models give the same answers to the same questions, whatever the truth is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import iou_matrix, match_greedily
from lfmvl_ros.datasets.questions import FOUND_IOU
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.figures import quotient_figure
from lfmvl_ros.evaluate.scorecard import ModelRun
from lfmvl_ros.evaluate.slices import LISTED_IMAGES

_SAME = 1e-9  # of the image's width or height: boxes that differ by rounding of floats only
_COLUMNS = ("answers", "equal", "same_objects", "pairs", "iou", "scored", "difference", "shift")


def agreement(first: ModelRun, other: ModelRun, names: Sequence[str]) -> dict[str, Any]:
    """Compare the answers of two models.

    Args:
        first: that the other is compared with.
        other: asked the same questions, in the same order.
        names: of the images.

    Returns:
        Names of both, figures with 95 % intervals, and images whose answers differ in objects.

    Raises:
        ValueError: they were not asked the same.
    """
    rows = np.zeros((len(names), len(_COLUMNS)))
    for one, two in zip(first.judged, other.judged, strict=True):
        if one.question != two.question:
            raise ValueError("both models must be asked the same questions")
        rows[one.question.image] += _row(one, two)
    of = dict(zip(_COLUMNS, rows.T, strict=True))
    differ = np.flatnonzero(of["same_objects"] < of["answers"])
    return {
        "first": first.model,
        "other": other.model,
        "equal": quotient_figure(of["equal"], of["answers"], is_share=True),
        "same_objects": quotient_figure(of["same_objects"], of["answers"], is_share=True),
        "box_iou": quotient_figure(of["iou"], of["pairs"], is_share=False),
        "score_difference": quotient_figure(of["difference"], of["scored"], is_share=False),
        "score_shift": quotient_figure(of["shift"], of["scored"], is_share=False),
        "differing": [names[i] for i in differ[:LISTED_IMAGES]],
    }


def is_equal(one: JudgedAnswer, two: JudgedAnswer) -> bool:
    """Tell whether two answers have the same outcome, labels and boxes, in whatever order."""
    if one.outcome is not two.outcome or sorted(one.labels) != sorted(two.labels):
        return False
    ordered = [item.xyxy[np.lexsort((*item.xyxy.T[::-1], np.array(item.labels, dtype=str)))]
               for item in (one, two)]  # fmt: skip
    return bool((np.abs(ordered[0] - ordered[1]) <= _SAME).all())


def _row(one: JudgedAnswer, two: JudgedAnswer) -> list[float]:
    """Return what one question adds to the sums of its image, as :data:`_COLUMNS` names them."""
    overlaps = iou_matrix(one.xyxy, two.xyxy)
    labels = (np.array(item.labels, dtype=str) for item in (one, two))
    overlaps = np.where(np.equal.outer(*labels), overlaps, 0.0)
    pairs = match_greedily(overlaps, FOUND_IOU)
    complete = len(pairs) == len(one.labels) == len(two.labels)
    both_answered = one.outcome.is_evidence_of_absence and two.outcome.is_evidence_of_absence
    scored = pairs if "constant" not in (one.confidence_kind, two.confidence_kind) else []
    shifts = np.array([two.scores[j] - one.scores[i] for i, j in scored])
    return [
        1.0,
        float(is_equal(one, two)),
        float(complete and (both_answered or one.outcome is two.outcome)),
        float(len(pairs)),
        float(sum(overlaps[pair] for pair in pairs)),
        float(len(scored)),
        float(np.abs(shifts).sum()),
        float(shifts.sum()),
    ]
