# SPDX-License-Identifier: Apache-2.0
"""What an answer about a crop says about the track that it was cut around."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.calibration.confidence import CALIBRATED
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.same_label import fold_label

AGREE_IOU = 0.3
"""A box of the label that overlaps the track's place by this much is the track's object.

The question is whether it is there, not where its edges are: at 0.5, most contradictions were about
real objects with a loose box (docs/opinion.md)."""
WHOLE_IOU, WHOLE_SHARE = 0.5, 0.9
"""A box around (nearly) the whole crop, which any model may give, has to overlap by more."""
AGREE_CONFIDENCE = 0.5


class Judgement(str, Enum):
    """What was said.

    ``agree``: the object is there. ``disagree``: a usable answer does not name it there. The others
    say nothing: ``unsure``: a box there whose calibrated confidence is below one half, or an answer
    that was cut off before one; ``timeout``, ``unparseable``, ``error``.
    """

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"
    TIMEOUT = "timeout"
    UNPARSEABLE = "unparseable"
    ERROR = "error"


@dataclass(frozen=True)
class Judged:
    """What was said, and with which calibrated confidence; None without one."""

    judgement: Judgement
    confidence: float | None = None


def judged(grounding: Grounding, label: str, place: FloatArray) -> Judged:
    """Return what an answer about a crop says.

    Args:
        grounding: the answer, in pixels of the crop.
        label: that was asked about.
        place: ``(4,)`` the track's box in the crop, px.
    """
    if not grounding.outcome.is_evidence:
        return Judged(Judgement(grounding.outcome.value))
    found, key = grounding.detections, fold_label(label)
    overlap = iou_matrix(found.xyxy_px, place[None])[:, 0]
    sides = found.xyxy_px[:, 2:] - found.xyxy_px[:, :2]
    is_whole = sides.prod(axis=1) >= WHOLE_SHARE * grounding.wh[0] * grounding.wh[1]
    same = np.array([fold_label(name) == key for name in found.labels], np.bool_)
    there = same & (overlap >= np.where(is_whole, WHOLE_IOU, AGREE_IOU))
    if not there.any():
        whole = grounding.outcome.is_evidence_of_absence
        return Judged(Judgement.DISAGREE if whole else Judgement.UNSURE)
    if grounding.confidence_kind != CALIBRATED:
        return Judged(Judgement.AGREE)
    confidence = float(found.scores[there].max())
    if confidence < AGREE_CONFIDENCE:
        return Judged(Judgement.UNSURE)
    return Judged(Judgement.AGREE, confidence)
