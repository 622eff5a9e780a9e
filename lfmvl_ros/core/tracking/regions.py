# SPDX-License-Identifier: Apache-2.0
"""What an answer about a region of the image says about the tracks, and what it can't say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, covered_share, cxcywh_to_xyxy, iou_matrix
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.tracking import evidence
from lfmvl_ros.core.tracking.association import OVERLAP, SAME_LABEL
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.table import Table, boxes_in_image

# A box is part of a track that continues outside the region if the track has its label and covers
# this share of the box.
PART_SHARE = 0.5
# Views that differ by less show an object equally well.
ALIKE = 1.05
REGION_LIFE = 2.0


def magnification_of(region: Region | None) -> float:
    """Return how much larger an answer's objects were than in the whole image, >= 1."""
    return 1.0 if region is None else region.magnification


def in_view(table: Table, region: Region | None) -> NDArray[np.bool_]:
    """Return which tracks, ``(N,)``, an answer about a region says anything about.

    Those whose box is well inside it. An object that an edge of the region cuts is only seen in
    part: its box is not that of the object, and a missing box does not mean that it has gone.
    """
    if region is None:
        return np.ones(len(table), dtype=np.bool_)
    return region.holds(boxes_in_image(table.mean, region.wh))


def life_factor(table: Table) -> FloatArray:
    """Return how much longer than others each track lives unseen, ``(N,)``.

    One that was last seen in a region has to wait until a region is about it again; answers about
    the whole image, which come more often, neither see it nor count against it.
    """
    return np.where(table.magnification > ALIKE, REGION_LIFE, 1.0)


def may_miss(table: Table, region: Region | None) -> NDArray[np.bool_]:
    """Return which tracks, ``(N,)``, count as missed when an answer does not name them.

    A track that was last seen in a region is often too small for the whole image. If an answer
    that sees it smaller does not name it, this is not evidence that it has gone.
    """
    close = magnification_of(region) * ALIKE >= table.magnification
    return np.asarray(close if region is None else close & in_view(table, region))


def of_tracks_beyond(table: Table, seen: Measurements, region: Region | None) -> NDArray[np.bool_]:
    """Return which boxes, ``(M,)``, show part of a track that is not in view."""
    if region is None or not len(seen):
        return np.zeros(len(seen), dtype=np.bool_)
    beyond = table.take(~in_view(table, region))
    if not len(beyond):
        return np.zeros(len(seen), dtype=np.bool_)
    boxes, tracks = cxcywh_to_xyxy(seen.boxes), boxes_in_image(beyond.mean, region.wh)
    part = (covered_share(boxes, tracks) >= PART_SHARE) | (iou_matrix(boxes, tracks) >= OVERLAP)
    same = evidence.agreeing(beyond, evidence.columns(beyond, seen)).T >= SAME_LABEL
    return np.asarray((part & same).any(axis=1))
