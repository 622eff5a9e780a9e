# SPDX-License-Identifier: Apache-2.0
"""Referring expressions: is the box that is given for a text about one object on that object?

Measured as RefCOCO is (Yu et al., Modeling Context in Referring Expressions, 2016): accuracy at IoU
0.5, of one box for each expression, whatever its label. Of several boxes, that of the highest
confidence counts, of equal ones the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.datasets.questions import FOUND_IOU
from lfmvl_ros.evaluate.answers import IntArray, JudgedAnswer
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.figures import COLUMNS, Sums, quotient_figure
from lfmvl_ros.evaluate.table import BoolArray

LISTED = 20
"""Expressions with another box that a scorecard lists at most."""
AMONG = (("the only one of its label", True), ("among others of its label", False))


@dataclass(frozen=True, eq=False)
class ReferredBoxes:
    """The boxes that were given for E expressions.

    Attributes:
        answers: of the expressions.
        image: ``(E,)`` number of the image.
        iou: ``(E,)`` of the box with the object; 0 where there is none.
        given: ``(E,)`` whether there is a box.
        as_asked: ``(E,)`` whether it has the expression as its label.
        alone: ``(E,)`` whether the object is the only one of its label on the image.
    """

    answers: Sequence[JudgedAnswer]
    image: IntArray
    iou: FloatArray
    given: BoolArray
    as_asked: BoolArray
    alone: BoolArray

    @property
    def right(self) -> BoolArray:
        """``(E,)`` whether the box is on the object."""
        return np.asarray(self.iou >= FOUND_IOU)


def referred_boxes(judged: Sequence[JudgedAnswer], data: EvaluationSet) -> ReferredBoxes:
    """Return the boxes of the questions with a referring expression.

    Args:
        judged: all answers.
        data: the images.
    """
    answers = [item for item in judged if item.question.row is not None]
    iou = np.zeros(len(answers))
    given, as_asked, alone = (np.zeros(len(answers), bool) for _ in range(3))
    for number, item in enumerate(answers):
        kinds = data.images[item.question.image].kinds
        alone[number] = (kinds == item.question.kinds[0]).sum() == 1
        if len(item.xyxy):
            best = int(np.argmax(item.scores))  # of equal ones the first
            iou[number] = iou_matrix(item.xyxy[best : best + 1], item.truth.xyxy).max()
            given[number], as_asked[number] = True, bool(item.asked[best])
    image = np.array([item.question.image for item in answers], np.int64)
    return ReferredBoxes(answers, image, iou, given, as_asked, alone)


def with_expressions(sums: Sums, found: ReferredBoxes) -> Sums:
    """Return the sums with the columns of expressions filled in."""
    rows = sums.rows.copy()
    for name, value in (("expressions", np.ones(len(found.iou))), ("expressions_right",
                                                                   found.right)):  # fmt: skip
        rows[:, COLUMNS.index(name)] = np.bincount(found.image, value, minlength=len(rows))
    return Sums(rows)


def referring_entry(found: ReferredBoxes, names: Sequence[str]) -> dict[str, Any] | None:
    """Return the scorecard's part about referring expressions; None where none were asked.

    Args:
        found: the boxes that were given.
        names: of the images.
    """
    if not found.answers:
        return None
    everything = np.ones(len(found.iou), bool)
    slices = [("all", everything), *((name, found.alone == alone) for name, alone in AMONG)]
    wrong = np.flatnonzero(~found.right)
    worst = wrong[np.argsort(found.iou[wrong], kind="stable")][:LISTED]
    return {
        "expressions": len(found.iou),
        "slices": [
            {
                "slice": name,
                "expressions": int(part.sum()),
                "acc50": _share(found, len(names), found.right, part),
                "answered": _share(found, len(names), found.given, part),
                "mean_iou": _share(
                    found, len(names), found.iou, part & found.given, is_share=False
                ),
                "as_asked": _share(found, len(names), found.as_asked, part & found.given),
            }
            for name, part in slices
            if part.any()
        ],
        "wrong": [_wrong(found, int(row), names) for row in worst],
    }


def _share(
    found: ReferredBoxes, images: int, value: FloatArray | BoolArray, part: BoolArray,
    *, is_share: bool = True,
) -> dict[str, Any]:  # fmt: skip
    upper, lower = (
        np.asarray(np.bincount(found.image, weights, minlength=images), np.float64)
        for weights in (np.where(part, value, 0.0), part)
    )
    return quotient_figure(upper, lower, is_share=is_share)


def _wrong(found: ReferredBoxes, row: int, names: Sequence[str]) -> dict[str, Any]:
    item = found.answers[row]
    label = item.labels[int(np.argmax(item.scores))] if len(item.labels) else None
    return {
        "image": names[item.question.image],
        "expression": item.question.labels[0],
        "iou": round(float(found.iou[row]), 4),
        "label": label,
    }
