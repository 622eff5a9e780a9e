# SPDX-License-Identifier: Apache-2.0
"""All answers of an evaluation as columns: one row an object, one a box, one an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, area
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.evaluate.answers import IntArray, JudgedAnswer

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Objects:
    """N expected objects, one row for each answer that should name it.

    Attributes:
        answer, image: ``(N,)`` row of the answer, number of the image.
        kind: ``(N,)`` category.
        iou: ``(N,)`` of the box that found it; 0 where it was missed.
        area: ``(N,)`` share of the image.
        hidden: ``(N,)`` hidden share; NaN where not annotated.
    """

    answer: IntArray
    image: IntArray
    kind: IntArray
    iou: FloatArray
    area: FloatArray
    hidden: FloatArray


@dataclass(frozen=True, eq=False)
class Boxes:
    """M boxes of answers, without those on crowds, which are neither right nor wrong.

    Attributes:
        answer, image: ``(M,)``.
        kind: ``(M,)`` category; -1 where its label was not asked for or is not annotated.
        iou: ``(M,)`` with the object that it found; 0 where it is wrong.
        score: ``(M,)`` confidence.
        area: ``(M,)`` share of the image: of the object that it found, else its own.
    """

    answer: IntArray
    image: IntArray
    kind: IntArray
    iou: FloatArray
    score: FloatArray
    area: FloatArray


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """All answers of an evaluation, as columns.

    Attributes:
        judged: the answers.
        images: how many images the set has, also those that nothing was asked about.
        objects, boxes: rows of all answers.
        headline: ``(A,)`` bool: answers that count in the overall figures.
    """

    judged: Sequence[JudgedAnswer]
    images: int
    objects: Objects
    boxes: Boxes
    headline: BoolArray

    @cached_property
    def image(self) -> IntArray:
        """``(A,)`` the image of each answer."""
        return self.column(lambda item: item.question.image)

    def column(self, value: Callable[[JudgedAnswer], int]) -> IntArray:
        """Return ``(A,)`` a whole number for each answer."""
        return np.array([value(item) for item in self.judged], np.int64)

    def where(self, holds: Callable[[JudgedAnswer], bool]) -> BoolArray:
        """Return ``(A,)`` for which answers something holds."""
        return np.array([holds(item) for item in self.judged], bool)

    @cached_property
    def labels_asked(self) -> IntArray:
        """``(A,)`` how many labels each question named whose objects were all counted."""
        return self.column(
            lambda item: sum(kind not in item.truth.crowd_kinds for kind in item.question.kinds)
        )

    @cached_property
    def count_off(self) -> FloatArray:
        """``(A,)`` difference between boxes and objects, summed over the labels of a question."""
        return np.array([_count_off(item) for item in self.judged], np.float64)

    @cached_property
    def absent(self) -> BoolArray:
        """``(A,)`` bool: answers to questions about what is not on the image alone."""
        return self.where(lambda item: not len(item.truth.xyxy) + len(item.truth.crowd_xyxy))

    @cached_property
    def silent(self) -> BoolArray:
        """``(A,)`` bool: answers that say that nothing is there."""
        return self.where(lambda item: item.outcome.is_evidence_of_absence and not len(item.xyxy))


def table_of(judged: Sequence[JudgedAnswer], images: int) -> AnswerTable:
    """Put answers together.

    Args:
        judged: at least one.
        images: how many images the set has.
    """
    objects = Objects(
        answer=_repeated(judged, lambda item: len(item.truth.xyxy)),
        image=_images(judged, lambda item: len(item.truth.xyxy)),
        kind=np.concatenate([item.truth.kinds for item in judged]),
        iou=np.concatenate([item.truth_iou for item in judged]),
        area=area(np.concatenate([item.truth.xyxy for item in judged])),
        hidden=np.concatenate([item.truth.hidden for item in judged]),
    )
    boxes = Boxes(
        answer=_repeated(judged, _counted),
        image=_images(judged, _counted),
        kind=np.concatenate([item.kinds[~item.on_crowd] for item in judged]),
        iou=np.concatenate([item.box_iou[~item.on_crowd] for item in judged]),
        score=np.concatenate([item.scores[~item.on_crowd] for item in judged]),
        area=np.concatenate([_box_areas(item)[~item.on_crowd] for item in judged]),
    )
    headline = np.array([item.question.headline for item in judged], bool)
    return AnswerTable(judged, images, objects, boxes, headline)


def _count_off(item: JudgedAnswer) -> int:
    """Return the difference over the labels whose objects are all counted (no crowd is there).

    Of labels that nobody annotated, every box is off.
    """
    counted = ~item.on_crowd
    found, there = item.kinds[counted].tolist(), item.truth.kinds.tolist()
    uncounted = set(item.truth.crowd_kinds.tolist())
    annotated = {kind for kind in item.question.kinds if kind >= 0} - uncounted
    off: int = sum(abs(found.count(kind) - there.count(kind)) for kind in annotated)
    return off + int((counted & item.asked & (item.kinds < 0)).sum())


def _counted(item: JudgedAnswer) -> int:
    return int((~item.on_crowd).sum())


def _box_areas(item: JudgedAnswer) -> FloatArray:
    own = area(item.xyxy)
    if not len(item.truth.xyxy):
        return own
    return np.where(item.found_row >= 0, area(item.truth.xyxy)[item.found_row], own)


def _repeated(judged: Sequence[JudgedAnswer], length: Callable[[JudgedAnswer], int]) -> IntArray:
    return np.repeat(np.arange(len(judged)), [length(item) for item in judged])


def _images(judged: Sequence[JudgedAnswer], length: Callable[[JudgedAnswer], int]) -> IntArray:
    images = [item.question.image for item in judged]
    return np.repeat(np.array(images, np.int64), [length(item) for item in judged])


def outcomes(judged: Sequence[JudgedAnswer]) -> dict[str, int]:
    """Return how many answers ended in which way; outcomes without an answer are left out."""
    ended = [item.outcome for item in judged]
    return {outcome.value: ended.count(outcome) for outcome in Outcome if outcome in ended}
