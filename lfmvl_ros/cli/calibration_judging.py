# SPDX-License-Identifier: Apache-2.0
"""Judges a model's answers box by box: the evidence of each box, and whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros.core.ask import Request
from lfmvl_ros.core.boxes import FloatArray, iou_matrix, match_greedily, normalise
from lfmvl_ros.core.calibration.calibration import Evidence
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.query import Query
from lfmvl_ros.datasets.questions import FOUND_IOU, UNCOUNTED_IOU, Asked, QuestionSet

_TIMEOUT_S = 120.0  # an answer cut off on a busy machine would be another answer


@dataclass(frozen=True, eq=False)
class JudgedBoxes:
    """Boxes that a model found: evidence, ``(N,)`` bool whether right, ``(N,)`` scene number."""

    evidence: Evidence
    right: NDArray[Any]
    scenes: NDArray[Any]

    def __len__(self) -> int:
        return len(self.right)


class _Witness:
    """In place of a calibration: keeps the evidence, and numbers the boxes by their scores."""

    def __init__(self) -> None:
        self.evidence: Evidence | None = None

    def apply(self, evidence: Evidence) -> FloatArray:
        self.evidence = evidence
        return (np.arange(len(evidence)) + 0.5) / max(1, len(evidence))

    def of(self, grounding: Grounding) -> Evidence | None:
        """Return the evidence of the boxes that were kept; None where there are no tokens."""
        if self.evidence is None or grounding.confidence_kind != "calibrated":
            return None
        return self.evidence[(grounding.detections.scores * len(self.evidence)).astype(int)]


def ask_all(
    model: VisionLanguageModel, settings: PerceptionSettings, asked: QuestionSet
) -> JudgedBoxes:
    """Ask questions with known answers, with a progress bar, and judge each box.

    Boxes on things too small or hidden to be expected count neither way and are left out.

    Args:
        model: that is asked.
        settings: how.
        asked: the questions.
    """
    parts: list[Evidence] = []
    right: list[bool] = []
    numbers: list[int] = []
    bar = tqdm(total=asked.total, desc=asked.name, unit="image", disable=None)
    for number, item in enumerate(asked.questions):
        grounding, evidence = _answer(model, settings, item)
        if evidence is not None:
            verdicts = judge(grounding, item)
            parts.append(evidence[[row for row, _ in verdicts]])
            right += [hit for _, hit in verdicts]
            numbers += [number] * len(verdicts)
        bar.update()
    bar.close()
    evidence = Evidence(*(np.zeros(0) for _ in range(4))).joined(*parts)
    return JudgedBoxes(evidence, np.array(right, bool), np.array(numbers, int))


def _answer(
    model: VisionLanguageModel, settings: PerceptionSettings, item: Asked
) -> tuple[Grounding, Evidence | None]:
    frame = Frame(np.ascontiguousarray(item.scene.pixels), 0)
    patient = settings.updated({"generation.timeout_s": _TIMEOUT_S})
    request = Request.prepare(model, patient, Query(tuple(item.question.labels)), [frame])
    (reply,) = request.replies()
    witness = _Witness()
    grounding = request.grounding(frame, replace(reply, calibration=witness))
    return grounding, witness.of(grounding)


def judge(grounding: Grounding, item: Asked) -> Sequence[tuple[int, bool]]:
    """Return row and truth of each box that counts; one object makes one box right."""
    found, expected = grounding.detections, item.question.found
    boxes = normalise(found.xyxy_px, grounding.wh)
    overlaps: NDArray[Any] = np.zeros((len(found), len(expected)))
    if len(found) and len(expected):
        overlaps = iou_matrix(boxes, np.stack([target.xyxy for target in expected]))
        same = [[label == target.label for target in expected] for label in found.labels]
        overlaps = np.where(np.array(same), overlaps, 0.0)
    hit = np.zeros(len(found), bool)
    hit[[row for row, _ in match_greedily(overlaps, FOUND_IOU)]] = True
    small = [target for target in item.scene.targets if not target.counts]
    rows = []
    for i, label in enumerate(found.labels):
        others = [target.xyxy for target in small if label in target.names]
        if (
            not hit[i]
            and others
            and iou_matrix(boxes[i : i + 1], np.stack(others)).max() >= UNCOUNTED_IOU
        ):
            continue
        rows.append((i, bool(hit[i])))
    return rows
