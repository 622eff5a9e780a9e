# SPDX-License-Identifier: Apache-2.0
"""Brings an answer about a region of a camera image back to the pixels of the whole image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.parsing.geometry import SIGMA_FLOOR_PX
from lfmvl_ros.core.parsing.phrases import bounded
from lfmvl_ros.core.region import Region


def in_whole_image(grounding: Grounding, region: Region) -> Grounding:
    """Return an answer about a region as one about the image that the region is of.

    A box at an edge of the region that is not one of the image is not that of the object, which may
    go on behind the edge. It is listed in ``rejected`` instead.

    Args:
        grounding: boxes in pixels of the region enlarged to the size of the image.
        region: what the model saw.
    """
    found = grounding.detections
    sigma_px = np.maximum(found.sigma_px * region.scale, SIGMA_FLOOR_PX)
    placed = Detections(region.to_image(found.xyxy_px), found.labels, found.scores, sigma_px)
    cut = region.cuts(placed.xyxy_px)
    kept = placed.take(np.flatnonzero(~cut).tolist())
    outcome = grounding.outcome
    if len(found) and not len(kept) and outcome in (Outcome.OK, Outcome.REPAIRED):
        outcome = Outcome.EMPTY
    beyond = [
        f"{label}: the edge of the region cuts its box"
        for label, is_cut in zip(found.labels, cut.tolist(), strict=True)
        if is_cut
    ]
    return replace(
        grounding,
        outcome=outcome,
        detections=kept,
        region=region,
        rejected=bounded((*grounding.rejected, *beyond)),
        unknown_labels=tuple(label for label in grounding.unknown_labels if label in kept.labels),
    )
