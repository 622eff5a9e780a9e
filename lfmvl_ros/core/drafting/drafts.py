# SPDX-License-Identifier: Apache-2.0
"""Predicts the next answer: the previous one, with its boxes moved by the tracker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, clip
from lfmvl_ros.core.coordinate_scales import SCALE_NAMES, scale_named
from lfmvl_ros.core.drafting.answer_text import Hint, Piece, join_answer, split_answer
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks

LONGEST_TEXT = 20_000
"""Characters; a longer answer means that the model is stuck, so it is not used."""
_LEAST_PX = 4.0  # a strip of an object this narrow at the edge of a region is not expected
_NEAR = 0.01  # of the image: tolerance between a printed box and its detection


def expect_answer(previous: Answer | None, query: Query, tracks: Tracks) -> Hint | None:
    """Return the expected answer to ``query`` about the frame of ``tracks``.

    Text and order of objects are those of the previous answer. If the order was from left to right
    or from top to bottom, objects that passed each other are reordered. Each box is where its track
    is now; objects without a track stay where they were, and those whose track has left the image
    are left out. If no track is left at all, the same answer is expected again.

    Returns:
        None if the previous answer was to another query, or is not evidence about the scene.
    """
    if previous is None or previous.grounding.query.version != query.version:
        return None
    grounding = previous.grounding
    text = grounding.reply.text
    if not grounding.outcome.is_evidence or not text or len(text) > LONGEST_TEXT:
        return None
    pieces, tail = split_answer(text)
    if not pieces:
        return Hint.as_printed(text)
    printed = np.array([piece.values for piece in pieces])
    scale, rows = _scale_and_rows(printed, grounding.detections.xyxy_px, grounding.wh)
    moved, gone = printed.copy(), np.zeros(len(pieces), dtype=bool)
    places = {int(key): row for row, key in enumerate(tracks.ids)}
    for index, row in enumerate(rows):
        key = previous.applied.ids[row] if row is not None else 0
        if key in places:
            moved[index] = tracks.xyxy_px[places[key]] / scale
        elif key and len(tracks):  # without any track, too much time has passed to know
            gone[index] = True
    return _arranged(pieces, tail, printed, moved, gone)


def seen_through(tracks: Tracks, region: Region | None) -> Tracks:
    """Return the tracks as an answer about a region has them: only those in it, cut at its edges.

    Boxes are in pixels of the region enlarged to the size of the image.
    """
    if region is None or not len(tracks):
        return tracks
    boxes = clip(region.from_image(tracks.xyxy_px), region.wh)
    rows = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] >= _LEAST_PX).all(axis=1)).tolist()
    return replace(tracks.take(rows), xyxy_px=boxes[rows])


def _scale_and_rows(
    printed: FloatArray, found: FloatArray, wh: tuple[int, int]
) -> tuple[FloatArray, list[int | None]]:
    """Return the pixels per printed unit, ``(4,)``, and which detection each printed box became."""
    size = np.array([*wh, *wh], dtype=np.float64)
    best: tuple[FloatArray, list[int | None]] = (size, [None] * len(printed))
    if not len(found):
        return best
    count = 0
    for name in SCALE_NAMES:
        scale = size / np.tile(scale_named(name, wh).extent, 2)
        off = np.abs((printed * scale)[:, None] - found[None]) / size
        rows = [
            int(row) if error <= _NEAR else None
            for row, error in zip(
                off.max(axis=2).argmin(axis=1), off.max(axis=2).min(axis=1), strict=True
            )
        ]
        matched = sum(row is not None for row in rows)
        if matched > count:
            best, count = (scale, rows), matched
    return best


def _arranged(
    pieces: list[Piece], tail: str, printed: FloatArray, moved: FloatArray, gone: NDArray[np.bool_]
) -> Hint | None:
    """Put the remaining objects into the order in which the model will probably list them."""
    order = [index for index in range(len(pieces)) if not gone[index]]
    if not order:
        return Hint("[]", np.zeros((0, 4)))
    decimals = max(piece.decimals for piece in pieces)
    for axis in (0, 1):
        if (np.diff(printed[:, axis]) >= 0).all() and len(pieces) > 1:
            # Stable, and by the number as it will be printed: ties keep their order.
            order.sort(key=lambda index: round(float(moved[index, axis]), decimals))
            break
    first, other = pieces[0].separator, pieces[min(1, len(pieces) - 1)].separator
    arranged = [
        replace(pieces[index], lead=(other if place else first) + pieces[index].key)
        for place, index in enumerate(order)
    ]
    text = join_answer(arranged, tail)
    if len(split_answer(text)[0]) != len(order):  # a label that looks like a box
        return None
    return Hint(text, moved[order])
