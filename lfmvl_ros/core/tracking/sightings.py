# SPDX-License-Identifier: Apache-2.0
"""The boxes of an answer that belong to tracks, beside the rows of these tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.tracking.association import Pairs
from lfmvl_ros.core.tracking.measurement import Measurements
from lfmvl_ros.core.tracking.table import Index


@dataclass(frozen=True, eq=False)
class Sightings:
    """K tracks, and the box that each was seen with.

    Attributes:
        rows: of the tracks, see :meth:`~lfmvl_ros.core.tracking.association.Pairs.rows`.
        nis: ``(K,)`` see :class:`~lfmvl_ros.core.tracking.association.Pairs`.
        boxes, error, stated, scores: ``(K, ...)`` see
            :class:`~lfmvl_ros.core.tracking.measurement.Measurements`.
        columns: ``(K,)`` of their labels in the vocabulary of the tracks.
        calibrated: whether the scores are.
    """

    rows: Index
    nis: FloatArray
    boxes: FloatArray
    error: FloatArray
    stated: FloatArray
    scores: FloatArray
    columns: NDArray[np.intp]
    calibrated: bool

    def __len__(self) -> int:
        return len(self.boxes)


def sightings(
    seen: Measurements, pairs: Pairs, columns: NDArray[np.intp], tracks: int
) -> Sightings:
    """Return the boxes of an answer that belong to tracks.

    Args:
        seen: the boxes.
        pairs: which of them belong to which track.
        columns: ``(M,)`` of all labels of the answer in the vocabulary.
        tracks: how many there are.
    """
    rows = pairs.boxes
    return Sightings(
        rows=pairs.rows(tracks),
        nis=pairs.nis,
        boxes=seen.boxes.take(rows, axis=0),
        error=seen.error.take(rows, axis=0),
        stated=seen.stated.take(rows, axis=0),
        scores=seen.scores[rows],
        columns=columns[rows],
        calibrated=seen.calibrated,
    )
