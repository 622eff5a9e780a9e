# SPDX-License-Identifier: Apache-2.0
"""Boxes of masks, for annotations that have no box of their own.

COCO's formats: polygons, and run lengths as numbers or as text (cocodataset.org, maskApi.c).
"""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_PX = 1 << 28


def box_of_mask(segmentation: Any) -> list[float] | None:
    """Return left, top, width and height in pixels of a mask; None where there is none.

    Args:
        segmentation: a list of polygons, each ``[x1, y1, x2, y2 ...]``, or an object with ``size``
            and ``counts``.

    >>> box_of_mask([[10, 20, 30, 20, 30, 50]])
    [10.0, 20.0, 20.0, 30.0]
    >>> box_of_mask({"size": [4, 5], "counts": [5, 2, 2, 2, 9]})
    [1.0, 1.0, 2.0, 2.0]
    """
    try:
        if isinstance(segmentation, dict):
            return _box_of_runs(segmentation)
        return box_of_points(np.concatenate([np.asarray(p, float).ravel() for p in segmentation]))
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None


def size_of_mask(segmentation: Any) -> tuple[int, int] | None:
    """Return width and height of the image that run lengths are about; None for polygons.

    >>> size_of_mask({"size": [4, 5], "counts": [5, 2, 2, 2, 9]}), size_of_mask([[1, 1, 2, 3]])
    ((5, 4), None)
    """
    if not isinstance(segmentation, dict):
        return None
    height, width = (int(v) for v in segmentation["size"])
    return width, height


def box_of_points(flat: Any) -> list[float] | None:
    """Return the box around points ``[x1, y1, x2, y2 ...]``; None for fewer than two."""
    points = np.asarray(flat, float).ravel()
    if points.size < 4 or points.size % 2 or not np.isfinite(points).all():
        return None
    low, high = points.reshape(-1, 2).min(0), points.reshape(-1, 2).max(0)
    return [float(v) for v in (*low, *(high - low))]


def _box_of_runs(mask: dict[str, Any]) -> list[float] | None:
    """Runs go down the columns, and begin with one that is outside of the mask."""
    height, width = (int(v) for v in mask["size"])
    counts = mask["counts"]
    runs = _runs_of_text(counts) if isinstance(counts, str) else [int(v) for v in counts]
    if not 0 < height * width <= _MOST_PX or min(runs, default=-1) < 0:
        return None
    ends = np.cumsum(np.array(runs, np.int64))
    if ends[-1] != height * width:
        return None
    starts, ends = ends[:-1][::2], ends[1::2]
    filled = ends > starts
    starts, lasts = starts[filled], ends[filled] - 1
    if not len(starts):
        return None
    left, right = int(starts.min() // height), int(lasts.max() // height)
    whole = starts // height != lasts // height  # a run over the end of a column touches both edges
    top = 0 if whole.any() else int((starts % height).min())
    bottom = height - 1 if whole.any() else int((lasts % height).max())
    return [float(v) for v in (left, top, right - left + 1, bottom - top + 1)]


def _runs_of_text(text: str) -> list[int]:
    """Numbers of five bits a character; from the third on, differences to the one two before."""
    runs: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[position]) - 48
            value |= (code & 0x1F) << shift
            more, shift, position = bool(code & 0x20), shift + 5, position + 1
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
