# SPDX-License-Identifier: Apache-2.0
"""An answer compared with the truth, and sums over many: what training and evaluation report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import iou_matrix, match_greedily
from lfmvl_ros.datasets.questions import FOUND_IOU, UNCOUNTED_IOU, Question, Target

LabelledBox = tuple[str, NDArray[Any]]
"""A label and its (4,) box, normalised to [0, 1]."""


@dataclass(frozen=True)
class JudgedReply:
    """One answer compared with the truth.

    Attributes:
        valid: whether the answer was well-formed JSON.
        overlaps: for each expected object the IoU of the box that found it (at least 0.5), or 0.
        boxes: for each given box the IoU with the object it found, 0 when it found nothing, or
            None when it lies on an object too small or hidden to be expected: that counts
            neither way.
    """

    valid: bool
    overlaps: tuple[float, ...]
    boxes: tuple[float | None, ...]

    @property
    def false(self) -> int:
        """Number of boxes that found nothing."""
        return sum(box == 0 for box in self.boxes)


@dataclass(frozen=True)
class Scores:
    """Sums over answers, which add; :meth:`rates` turns them into shares.

    Attributes:
        answers: number of answers; valid: how many were well-formed JSON.
        truth, predicted, hits: boxes expected, given, and given right at IoU 0.5.
        iou_sum: IoU summed over the hits.
        nothing, nothing_right: questions about absent things only, and ``[]`` as their answer.
    """

    answers: int = 0
    valid: int = 0
    truth: int = 0
    predicted: int = 0
    hits: int = 0
    iou_sum: float = 0.0
    nothing: int = 0
    nothing_right: int = 0

    def __add__(self, other: Scores) -> Scores:
        return Scores(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @classmethod
    def of(cls, verdict: JudgedReply) -> Scores:
        """The scores of a single answer."""
        hits = sum(overlap > 0 for overlap in verdict.overlaps)
        nothing = int(not verdict.overlaps)
        return cls(
            answers=1,
            valid=int(verdict.valid),
            truth=len(verdict.overlaps),
            predicted=hits + verdict.false,
            hits=hits,
            iou_sum=sum(verdict.overlaps),
            nothing=nothing,
            nothing_right=int(nothing and verdict.valid and not verdict.false),
        )

    def rates(self) -> dict[str, float | None]:
        """Shares to four digits; None where there was nothing to count or nothing to find."""
        pairs = {
            "valid_json": (self.valid, self.answers),
            "recall50": (self.hits, self.truth),
            "precision50": (self.hits, self.predicted if self.truth else 0),
            "mean_iou": (self.iou_sum, self.hits),
            "absent_label_empty": (self.nothing_right, self.nothing),
        }
        return {
            name: round(part / whole, 4) if whole else None for name, (part, whole) in pairs.items()
        }

    @property
    def score(self) -> float:
        """One number to compare weights by, 0 to 1: F1 of the boxes, in which ``[]`` has its due.

        A question about absent things counts like a box: expected once, and found when the answer
        is ``[]``.
        """
        right = self.hits + self.nothing_right
        either = self.truth + self.predicted + self.nothing + self.nothing_right
        return round(2 * right / either, 4) if either else 0.0

    def as_dict(self) -> dict[str, float]:
        """The sums, for logs."""
        return asdict(self)


def parse_strictly(text: str) -> list[LabelledBox] | None:
    """(label, (4,) box) of a well-formed answer, or None: the model is judged, not helped."""
    try:
        items = json.loads(text)
        boxes = [(str(item["label"]), np.array(item["bbox"], float)) for item in items]
    except (ValueError, TypeError, KeyError):
        return None
    return boxes if all(box.shape == (4,) for _, box in boxes) else None


def judge(text: str, question: Question, targets: Sequence[Target]) -> JudgedReply:
    """Compare one answer, as it was written, with the truth; see :func:`judge_boxes`."""
    return judge_boxes(parse_strictly(text), question, targets)


def judge_boxes(
    given: Sequence[LabelledBox] | None, question: Question, targets: Sequence[Target]
) -> JudgedReply:
    """Compare the boxes of one answer with the truth.

    Boxes are matched one to one with expected objects of the same label, best IoU first, down to
    an IoU of 0.5.

    Args:
        given: the boxes; None for an answer that was not well-formed.
        question: with the expected objects.
        targets: everything that is in the image, also what is too small or hidden to be expected.
    """
    if given is None:
        return JudgedReply(False, (0.0,) * len(question.found), ())
    overlaps = [0.0] * len(question.found)
    boxes = [None if _on_uncounted(*item, targets) else 0.0 for item in given]
    for overlap, row, column in _best_pairs(given, question):
        overlaps[column] = boxes[row] = overlap
    return JudgedReply(True, tuple(overlaps), tuple(boxes))


def _best_pairs(given: Sequence[LabelledBox], question: Question) -> list[tuple[float, int, int]]:
    """One-to-one (IoU, index of the given box, index of the expected object)."""
    if not given or not question.found:
        return []
    expected = np.stack([item.xyxy for item in question.found])
    overlaps = iou_matrix(np.stack([box for _, box in given]), expected)
    same = [[label == item.label for item in question.found] for label, _ in given]
    overlaps = np.where(np.array(same), overlaps, 0.0)
    return [
        (float(overlaps[row, column]), row, column)
        for row, column in match_greedily(overlaps, FOUND_IOU)
    ]


def _on_uncounted(label: str, box: NDArray[Any], targets: Sequence[Target]) -> bool:
    others = [t.xyxy for t in targets if t.is_called(label) and not t.counts]
    return bool(others) and float(iou_matrix(box[None], np.stack(others)).max()) >= UNCOUNTED_IOU
