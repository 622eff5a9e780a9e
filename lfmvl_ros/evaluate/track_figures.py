# SPDX-License-Identifier: Apache-2.0
"""HOTA, IDF1, MOTA and id switches of the tracks of video sequences, compared with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.datasets.films import TrueBoxes
from lfmvl_ros.evaluate.conditions import OF_TRACKS as NAMES
from lfmvl_ros.evaluate.figures import figure
from lfmvl_ros.evaluate.track_metrics import check_installed, measured

LEAST_VISIBLE = 0.3
"""Visible share below which an object counts neither as missed nor as wrongly found."""
_ABOUT_IOU = 0.5  # a track about something that is mostly hidden


@dataclass(frozen=True, eq=False)
class Followed:
    """The M tracks at one image: ids ``(M,)``, labels, boxes ``(M, 4)`` in px."""

    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    xyxy_px: FloatArray


def track_figures(
    truth: Sequence[TrueBoxes], found: Sequence[Followed], label: str = ""
) -> dict[str, Any]:
    """Return the figures of :data:`NAMES` over the images of a sequence.

    A track can only be right about an object of its label. Objects of which less than
    :data:`LEAST_VISIBLE` is visible are left out, and so are the tracks that match them. Unmatched
    tracks are left out if their label was not looked for, or not exhaustively. If the ids of
    different sequences differ, the figures can be those of all sequences together.

    Args:
        truth: of each image that is annotated.
        found: of the same images.
        label: only objects and tracks of this label count; "": all.

    Raises:
        UserError: trackeval is not installed.
    """
    check_installed()
    frames = [_frame(*pair, fold_label(label)) for pair in zip(truth, found, strict=True)]
    true_ids = [frame[0] for frame in frames]
    boxes = sum(map(len, true_ids))
    if not boxes:
        return {name: figure(None, None, 0) for name in NAMES}
    found_here = measured(true_ids, [frame[1] for frame in frames], [frame[2] for frame in frames])
    hota, clear, identity = found_here.hota, found_here.clear, found_here.identity
    values = {
        "hota": hota["HOTA"].mean(), "deta": hota["DetA"].mean(), "assa": hota["AssA"].mean(),
        "mota": clear["MOTA"], "idf1": identity["IDF1"], "id_switches": clear["IDSW"],
    }  # fmt: skip
    return {name: figure(float(values[name]), None, boxes) for name in NAMES}


_Frame = tuple[list[str], list[int], FloatArray]


def _frame(truth: TrueBoxes, found: Followed, label: str) -> _Frame:
    """Return ids of objects, ids of tracks, and their IoU; 0 where the labels differ."""
    kinds = np.array([fold_label(each) for each in truth.labels], object)
    names = np.array([fold_label(each) for each in found.labels], object)
    overlaps = iou_matrix(truth.xyxy_px, found.xyxy_px)
    overlaps = np.where(kinds[:, None] == names[None], overlaps, 0.0)
    seen = truth.visible >= LEAST_VISIBLE
    about_hidden = overlaps[~seen].max(axis=0, initial=0.0) >= _ABOUT_IOU
    about_seen = overlaps[seen].max(axis=0, initial=0.0)
    unsure = np.isin(names, [fold_label(each) for each in truth.unsure])
    kept = ~((about_hidden | unsure) & (about_seen < _ABOUT_IOU))
    if label:
        seen, kept = seen & (kinds == label), kept & (names == label)
    rows, columns = np.flatnonzero(seen), np.flatnonzero(kept)
    ids = [truth.ids[row] for row in rows.tolist()]
    return ids, found.ids[columns].tolist(), overlaps[np.ix_(rows, columns)]
