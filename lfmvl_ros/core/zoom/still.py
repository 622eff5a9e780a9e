# SPDX-License-Identifier: Apache-2.0
"""Zoom for a single image: asks about all of it, then about each part, and merges the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.boxes import covered_share, iou_matrix
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking.birth import SAME_IOU
from lfmvl_ros.core.tracking.regions import PART_SHARE
from lfmvl_ros.core.zoom.choosing import sweep_of


def ask_closely(
    model: VisionLanguageModel, frame: Frame, query: Query, settings: PerceptionSettings
) -> tuple[Grounding, list[Grounding]]:
    """Ask about an image and about the parts of it that ``settings.zoom.magnification`` gives.

    Returns:
        The answer with the objects of all of them, each once; and the answers it is made of, the
        one about the whole image first. The text is that of the first. An answer about a part that
        is not evidence adds nothing; one about the whole image that is not stays as it is.

    Raises:
        UserError: the query can't be used.
    """
    (whole,) = ask(model, [frame], query, settings)
    regions = sweep_of(frame.wh, settings.zoom.magnification)
    parts = [ask(model, [frame.cropped(region)], query, settings)[0] for region in regions]
    return merged(whole, parts), [whole, *parts]


def merged(whole: Grounding, parts: Sequence[Grounding]) -> Grounding:
    """Return the answer about an image with the objects that answers about its parts add.

    A box of a part that overlaps one of its label is the same object: the more confident one stays.
    A box that lies mostly in one that continues outside the part shows part of that object.
    """
    if not whole.outcome.is_evidence:  # it has no objects, whatever is there
        return whole
    found = whole.detections
    for part in parts:
        if part.outcome.is_evidence:
            found = _with(found, part)
    outcome = whole.outcome
    if len(found) and outcome is Outcome.EMPTY:
        outcome = Outcome.OK
    unknown = tuple(dict.fromkeys(whole.query.lacks(found.labels)))
    return replace(whole, detections=found, outcome=outcome, unknown_labels=unknown)


def _with(found: Detections, part: Grounding) -> Detections:
    """Return the objects with those of one answer about a part."""
    assert part.region is not None
    more = part.detections
    labels = np.array([fold_label(label) for label in found.labels], object)
    alike = np.array([fold_label(x) for x in more.labels], object)[:, None] == labels[None]
    overlap = np.where(alike, iou_matrix(more.xyxy_px, found.xyxy_px), 0.0)
    inside = np.where(alike, covered_share(more.xyxy_px, found.xyxy_px), 0.0)
    piece = (inside[:, ~part.region.holds(found.xyxy_px)] >= PART_SHARE).any(axis=1)
    same = overlap >= SAME_IOU
    best = np.where(same, found.scores[None], -1.0).max(axis=1, initial=-1.0)
    added = ~piece & (more.scores > best)
    gone = same[added].any(axis=0)
    return _joined(
        found.take(np.flatnonzero(~gone).tolist()), more.take(np.flatnonzero(added).tolist())
    )


def _joined(some: Detections, more: Detections) -> Detections:
    return Detections(
        np.concatenate([some.xyxy_px, more.xyxy_px]),
        some.labels + more.labels,
        np.concatenate([some.scores, more.scores]),
        np.concatenate([some.sigma_px, more.sigma_px]),
    )
