# SPDX-License-Identifier: Apache-2.0
"""Boxes as arrays: conversions, clipping, overlap. Everything is vectorised over N boxes.

When two boxes are the same object depends on where they come from. All thresholds on their IoU:

====== ============================================= ==============================================
IoU    where                                         same object when it is at least as large
====== ============================================= ==============================================
0.95   ``parsing/answer.py`` ``REPEATED_IOU``        one label named twice in one reply: a model
                                                     that repeats itself copies its numbers
0.9    ``tracking/measurement.py`` ``DUPLICATE_IOU``  one object under two labels in one answer
0.7    ``tracking/flow.py`` ``SAME_THING_IOU``       two tracks: below, one box may cover the other
0.5    ``tracking/birth.py`` ``SAME_IOU``            two boxes of one label that no track explains
0.5    ``datasets/questions.py`` ``FOUND_IOU``       an answer's box and the true box, as PASCAL VOC
                                                     and COCO's AP50 count
0.5    ``datasets/questions.py`` ``FOUND_IOU``       share of an answer's box that a crowd's area
                                                     covers: counts neither way, as in COCO
0.4    ``datasets/questions.py`` ``UNCOUNTED_IOU``   an answer's box and a true box too small or
                                                     hidden to be expected: counts neither way
0.3    ``tracking/association.py`` ``OVERLAP``       a track and a box that the motion gate refused
0.3    ``opinion/judging.py`` ``AGREE_IOU``          a track and a second model's box in its crop;
                                                     0.5 where that is (nearly) the whole crop
====== ============================================= ==============================================
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def as_xyxy(boxes: ArrayLike) -> FloatArray:
    """Return boxes x1, y1, x2, y2 as a ``(N, 4)`` float64 array; an empty input gives ``(0, 4)``.

    Raises:
        ValueError: the input is not N x 4.

    >>> as_xyxy([]).shape
    (0, 4)
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4), got {array.shape}")
    return array


def xyxy_to_cxcywh(xyxy: FloatArray) -> FloatArray:
    """Corners ``(N, 4)`` to centre and size ``(N, 4)``."""
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return np.concatenate([centre, xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def cxcywh_to_xyxy(cxcywh: FloatArray) -> FloatArray:
    """Centre and size ``(N, 4)`` to corners ``(N, 4)``."""
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)


def normalise(xyxy_px: FloatArray, wh: tuple[int, int]) -> FloatArray:
    """Boxes in pixels to [0, 1] of an image of ``(width, height)``."""
    return xyxy_px / np.array([wh[0], wh[1], wh[0], wh[1]], dtype=np.float64)


def limited(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return values cut at ``low`` and ``high``: :func:`numpy.clip` in a fifth of the time.

    >>> limited(np.array([-1.0, 0.5, 2.0]), 0.0, 1.0).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(np.minimum(np.maximum(values, low), high), dtype=np.float64)


def clip(xyxy_px: FloatArray, wh: tuple[int, int]) -> FloatArray:
    """Cut boxes ``(N, 4)`` at the border of an image of ``(width, height)`` pixels."""
    limit = np.array([wh[0], wh[1], wh[0], wh[1]], dtype=np.float64)
    return np.asarray(np.minimum(np.maximum(xyxy_px, 0.0), limit), dtype=np.float64)


def surrounded_px(
    xyxy_px: FloatArray, margin: float, wh: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the part of an image that shows a box and its surroundings: x1, y1, x2, y2, whole px.

    Args:
        xyxy_px: ``(4,)`` corners of the box.
        margin: on each side, as a share of the box's width or height; cut at the image's border.
        wh: size of the image, px; the part has at least one pixel of it.

    >>> surrounded_px(np.array([10.0, 10.0, 30.0, 20.0]), 0.5, (35, 40))
    (0, 5, 35, 25)
    """
    x1, y1, x2, y2 = xyxy_px.tolist()
    across, down = margin * (x2 - x1), margin * (y2 - y1)
    left = min(max(math.floor(x1 - across), 0), wh[0] - 1)
    top = min(max(math.floor(y1 - down), 0), wh[1] - 1)
    right = min(max(math.ceil(x2 + across), left + 1), wh[0])
    bottom = min(max(math.ceil(y2 + down), top + 1), wh[1])
    return left, top, right, bottom


def area(xyxy: FloatArray) -> FloatArray:
    """Area of each box, ``(N,)``; 0 where a box is turned inside out."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1], dtype=np.float64)


def _intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1], dtype=np.float64)


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of every pair, ``(N, M)`` in [0, 1]; 0 for pairs without area.

    >>> iou_matrix(as_xyxy([[0, 0, 2, 2]]), as_xyxy([[1, 0, 3, 2]])).round(3).tolist()
    [[0.333]]
    """
    inter = _intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def covered_share(a: FloatArray, b: FloatArray) -> FloatArray:
    """Share of each ``a[i]`` that ``b[j]`` covers, ``(N, M)`` in [0, 1]; 0 without an area.

    >>> covered_share(as_xyxy([[0, 0, 2, 2]]), as_xyxy([[1, 0, 9, 9]])).tolist()
    [[0.5]]
    """
    inter = _intersection(a, b)
    own = np.broadcast_to(area(a)[:, None], inter.shape)
    return np.divide(inter, own, out=np.zeros_like(inter), where=own > 0)


def iou_pairs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of ``a[i]`` with ``b[i]``, ``(N,)``; 0 for pairs without area.

    >>> iou_pairs(as_xyxy([[0, 0, 2, 2]]), as_xyxy([[1, 0, 3, 2]])).round(3).tolist()
    [0.333]
    """
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    sides = np.maximum(sides, 0.0)
    inter = np.asarray(sides[:, 0] * sides[:, 1], dtype=np.float64)
    union = area(a) + area(b) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def match_greedily(overlaps: FloatArray, least: float) -> list[tuple[int, int]]:
    """Return one-to-one pairs of row and column, the largest overlap first.

    Args:
        overlaps: ``(N, M)``, for example of :func:`iou_matrix`; pairs that must not match are 0.
        least: an overlap below it makes no pair; above 0.

    >>> match_greedily(np.array([[0.9, 0.6], [0.8, 0.0]]), 0.5)
    [(0, 0)]
    """
    left = np.array(overlaps, dtype=np.float64)
    pairs: list[tuple[int, int]] = []
    while left.size and left.max() >= least:
        row, column = divmod(int(left.argmax()), left.shape[1])
        pairs.append((row, column))
        left[row, :] = left[:, column] = 0.0
    return pairs
