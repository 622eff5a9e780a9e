# SPDX-License-Identifier: Apache-2.0
"""Ask a model the questions of an evaluation, and compare each answer with the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros.core.ask import Request
from lfmvl_ros.core.boxes import FloatArray, covered_share, iou_matrix, match_greedily, normalise
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import StageTimes
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.datasets.coco import CocoImage
from lfmvl_ros.datasets.questions import FOUND_IOU
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.questions import ImageQuestion

IntArray = NDArray[np.int64]
NOT_ASKED = -1
"""The kind of a box whose label the question did not name, or nobody annotated."""
FAILED = frozenset(outcome.value for outcome in Outcome if not outcome.is_evidence)
"""Outcomes of answers that could not be used."""
_WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])
_LIGHT_STEP = 4  # every fourth pixel either way is enough for the mean

Change = Callable[[NDArray[np.uint8], FloatArray], tuple[NDArray[np.uint8], FloatArray]]
"""Changes an image and its normalised boxes ``(N, 4)``; NaN where a box has left the image."""
Watch = Callable[[Grounding, NDArray[np.uint8]], object]
"""Called with an answer and the pixels of its image."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The N objects that an answer should name.

    Attributes:
        xyxy: ``(N, 4)`` normalised.
        kinds: ``(N,)`` category of each.
        hidden: ``(N,)`` hidden share, NaN where not annotated.
        crowd_xyxy, crowd_kinds: ``(K, 4)``, ``(K,)`` areas with uncounted objects: a box on one
            that found no object is neither right nor wrong. For a label that was not looked for, or
            not to the end (LVIS), that is the whole image.
    """

    xyxy: FloatArray
    kinds: IntArray
    hidden: FloatArray
    crowd_xyxy: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    crowd_kinds: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class JudgedAnswer:
    """One answer compared with the truth.

    Attributes:
        question: that was asked.
        truth: the right answer.
        truth_iou: ``(N,)`` IoU of the box that found each object, 0 where it was missed.
        xyxy, kinds, scores: the M boxes of the answer, normalised; kind :data:`NOT_ASKED` where
            the label was not in the question, or nobody annotated it.
        box_iou: ``(M,)`` IoU with the object that each box found, 0 where it is wrong.
        found_row: ``(M,)`` row of that object, -1 where it is wrong.
        outcome, confidence_kind: of the grounding.
        times: of the model; total_s: with preparing and parsing.
        light: mean brightness of the image, 0 to 1.
        wh_px: its size.
        labels: of the M boxes, folded; they distinguish boxes of different labels that were not
            asked for.
    """

    question: ImageQuestion
    truth: Truth
    truth_iou: FloatArray
    xyxy: FloatArray
    kinds: IntArray
    scores: FloatArray
    box_iou: FloatArray
    found_row: IntArray
    outcome: Outcome
    confidence_kind: str
    times: StageTimes
    total_s: float
    light: float
    wh_px: tuple[int, int]
    labels: tuple[str, ...]

    @cached_property
    def on_crowd(self) -> NDArray[np.bool_]:
        """``(M,)`` boxes that found no object and lie on a crowd of their label: not counted."""
        covered = covered_share(self.xyxy, self.truth.crowd_xyxy) >= FOUND_IOU
        covered &= self.kinds[:, None] == self.truth.crowd_kinds[None]
        return np.asarray(covered.any(axis=1) & (self.found_row < 0))

    @cached_property
    def asked(self) -> NDArray[np.bool_]:
        """``(M,)`` boxes whose label the question named, also where nobody annotated it."""
        named = set(map(fold_label, self.question.labels))
        return np.array([label in named for label in self.labels], bool)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """``(M,)`` boxes that found no object, and don't lie on a crowd of their label."""
        return np.asarray((self.found_row < 0) & ~self.on_crowd)


def brightness(pixels: NDArray[np.uint8]) -> float:
    """Return the mean brightness of an RGB image ``(H, W, 3)``, 0 to 1.

    >>> brightness(np.full((8, 8, 3), 255, np.uint8))
    1.0
    """
    part = np.ascontiguousarray(pixels[::_LIGHT_STEP, ::_LIGHT_STEP])
    return float(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).mean() / 255)


def answer_all(
    model: VisionLanguageModel,
    settings: PerceptionSettings,
    data: EvaluationSet,
    questions: Sequence[ImageQuestion],
    *,
    change: Change | None = None,
    title: str = "",
    watch: Watch = lambda _answer, _pixels: None,
) -> list[JudgedAnswer]:
    """Ask every question, one at a time as a robot does, with a progress bar.

    Args:
        model: that is asked.
        settings: how.
        data: the images.
        questions: sorted by image, so that each image is decoded once.
        change: applied to each image before it is asked about.
        title: of the progress bar.
        watch: called with each answer and the pixels that it is about.

    Raises:
        UserError: an image can't be read any more.
    """
    done: list[JudgedAnswer] = []
    current, light = -1, 0.0
    pixels: NDArray[np.uint8] = np.zeros((1, 1, 3), np.uint8)
    boxes: FloatArray = np.zeros((0, 4))
    for item in _with_bar(questions, title):
        if item.image != current:
            current = item.image
            image = data.images[current]
            pixels, boxes = data.pixels(current), np.concatenate([image.xyxy, image.crowd_xyxy])
            if change is not None:
                pixels, boxes = change(pixels, boxes)
            light = brightness(pixels)
        truth = _expected(item, boxes, data.images[current], data.hidden[current])
        begun_s = time.perf_counter()
        grounding = _ask(model, settings, Frame(pixels, item.number), item.labels)
        taken_s = time.perf_counter() - begun_s
        watch(grounding, pixels)
        done.append(judge(item, truth, grounding, total_s=taken_s, light=light))
    return done


def _expected(
    question: ImageQuestion, boxes: FloatArray, image: CocoImage, hidden: FloatArray
) -> Truth:
    """Return the right answer, given the boxes of objects and crowds where they now are."""
    if question.row is not None:
        only = slice(question.row, question.row + 1)
        return Truth(boxes[only], image.kinds[only], hidden[only])
    kinds = np.concatenate([image.kinds, image.crowd_kinds])
    wanted = np.isin(kinds, [kind for kind in question.kinds if kind >= 0])
    wanted &= np.isfinite(boxes).all(axis=1)
    n = len(image.kinds)
    one, crowd = wanted[:n], wanted[n:]
    unknown = [] if image.checked is None else [
        kind for kind in question.kinds if kind >= 0 and kind not in image.checked]  # fmt: skip
    return Truth(boxes[:n][one], image.kinds[one], hidden[one],
                 np.concatenate([boxes[n:][crowd], np.tile(_WHOLE, (len(unknown), 1))]),
                 np.array([*image.crowd_kinds[crowd], *unknown], np.int64))  # fmt: skip


def _with_bar(questions: Sequence[ImageQuestion], title: str) -> Iterable[ImageQuestion]:
    bar: Iterable[ImageQuestion] = tqdm(questions, desc=title, unit="answer", disable=None)
    return bar


def _ask(
    model: VisionLanguageModel, settings: PerceptionSettings, frame: Frame, labels: tuple[str, ...]
) -> Grounding:
    request = Request.prepare(model, settings, Query(labels), [frame])
    (reply,) = request.replies()
    return request.grounding(frame, reply)


def judge(
    question: ImageQuestion, truth: Truth, grounding: Grounding, *, total_s: float, light: float
) -> JudgedAnswer:
    """Compare an answer with the truth: one box for one object of its kind, best IoU first."""
    found = grounding.detections
    xyxy = normalise(found.xyxy_px, grounding.wh)
    asked = {fold_label(lab): k for lab, k in zip(question.labels, question.kinds, strict=True)}
    labels = tuple(map(fold_label, found.labels))
    kinds = np.array([asked.get(label, NOT_ASKED) for label in labels], np.int64)
    truth_iou, box_iou = np.zeros(len(truth.xyxy)), np.zeros(len(xyxy))
    found_row = np.full(len(xyxy), -1, np.int64)
    overlaps = iou_matrix(xyxy, truth.xyxy)
    overlaps = np.where(kinds[:, None] == truth.kinds[None], overlaps, 0.0)
    for row, column in match_greedily(overlaps, FOUND_IOU):
        truth_iou[column] = box_iou[row] = overlaps[row, column]
        found_row[row] = column
    return JudgedAnswer(
        question, truth, truth_iou, xyxy, kinds, found.scores, box_iou, found_row,
        grounding.outcome, grounding.confidence_kind, grounding.reply.times, total_s, light,
        grounding.wh, labels,
    )  # fmt: skip
