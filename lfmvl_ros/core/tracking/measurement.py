# SPDX-License-Identifier: Apache-2.0
"""The boxes of one answer as measurements: sorted, without repetitions, with their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, xyxy_to_cxcywh
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking.motion import variances

DUPLICATE_IOU = 0.9
# A model places the edges of a box less exactly than its middle: the edges of wide objects vary.
SIZE_JITTER_RATIO = 2.0


@dataclass(frozen=True, eq=False)
class Measurements:
    """M distinct boxes, independent of the order in which the model named them.

    Attributes:
        boxes: ``(M, 4)`` cx, cy, w, h in px.
        error: ``(M, 4, 4)`` covariance of the boxes, px^2.
        stated: ``(M, 4, 4)`` the part of it that the token probabilities give, px^2.
        labels: M labels, case-folded, white space folded: equal means the same words.
        written: M labels as the model generated them.
        scores: ``(M,)`` in [0, 1].
        source: for each detection of the answer, its row of ``boxes``.
        first: for each row, the detection of the answer that it was taken from.
        calibrated: whether the scores are calibrated: the share of such boxes that are right.
    """

    boxes: FloatArray
    error: FloatArray
    stated: FloatArray
    labels: tuple[str, ...]
    written: tuple[str, ...]
    scores: FloatArray
    source: tuple[int, ...]
    first: tuple[int, ...]
    calibrated: bool = False

    def __len__(self) -> int:
        return len(self.labels)


def label_key(label: str) -> str:
    """Return what two spellings of the same label have in common.

    >>> label_key("Red  Tote ")
    'red tote'
    """
    return fold_label(label)


def measure(
    found: Detections,
    box_jitter: float,
    scale: FloatArray | None = None,
    *,
    calibrated: bool = False,
) -> Measurements:
    """Turn the boxes of one answer into measurements.

    Repetitions (same label, IoU above 0.9) are merged into the one with the highest score.

    Args:
        found: the answer.
        box_jitter: standard deviation of a box centre from one answer to the next, in box sizes.
        scale: ``(4,)`` factors on the jitter of cx, cy, w, h; None for ones.
        calibrated: whether the answer's scores are.
    """
    key_of = {label: label_key(label) for label in set(found.labels)}
    keys = [key_of[label] for label in found.labels]
    # A total order that knows nothing of the model's: permuted answers give the same tracks and
    # the same ids. Highest score first, so that a group is led by its best box.
    rank = {key: place for place, key in enumerate(sorted(set(keys)))}
    corners = found.xyxy_px.T
    order = np.lexsort((*corners[::-1], [rank[key] for key in keys], -found.scores)).tolist()
    kept, row_of = _led(order, keys, _nearly_equal(found.xyxy_px))
    rows = np.array(kept, dtype=np.intp)
    boxes = xyxy_to_cxcywh(found.xyxy_px[rows])
    stated = _of_corners(found.sigma_px[rows])
    error = stated.copy()
    variances(error)[:] += _jitter(boxes, box_jitter, np.ones(4) if scale is None else scale)
    return Measurements(
        boxes=boxes,
        error=error,
        stated=stated,
        labels=tuple([keys[i] for i in kept]),
        written=tuple([found.labels[i] for i in kept]),
        scores=found.scores[rows],
        source=tuple(row_of),
        first=tuple(kept),
        calibrated=calibrated,
    )


def _led(
    order: list[int], keys: list[str], near: list[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """The boxes that lead a group of repetitions, and for each box the place of its leader in them.

    Args:
        order: all boxes, the best first.
        keys: their labels; only boxes of one label are repetitions.
        near: pairs (both ways round) of boxes that are nearly equal.
    """
    row_of = [-1] * len(keys)
    if not near:
        for place, i in enumerate(order):
            row_of[i] = place
        return order, row_of
    alike: dict[int, list[int]] = {}
    for i, j in near:
        if keys[i] == keys[j]:
            alike.setdefault(i, []).append(j)
    kept: list[int] = []
    leads: set[int] = set()
    for i in order:
        rows = [row_of[j] for j in alike[i] if j in leads] if i in alike else []
        row_of[i] = min(rows, default=len(kept))
        if not rows:
            kept.append(i)
            leads.add(i)
    return kept, row_of


def _nearly_equal(xyxy: FloatArray) -> list[tuple[int, int]]:
    """Pairs (both ways round) of boxes ``(N, 4)`` with an IoU above :data:`DUPLICATE_IOU`."""
    # Such boxes share at least as much across and down, so that few need a closer look.
    low = np.ascontiguousarray(xyxy[:, :2].T)
    reach = (1 / DUPLICATE_IOU - 1) * (xyxy[:, 2:].T - low)
    near = _within(low[0], reach[0])
    near &= _within(low[1], reach[1])
    np.fill_diagonal(near, False)
    if not near.any():
        return []
    pairs = np.argwhere(near)
    a, b = xyxy[pairs[:, 0]], xyxy[pairs[:, 1]]
    both = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.maximum(both, 0.0).prod(axis=1)
    either = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - shared
    return [(i, j) for i, j in pairs[shared > DUPLICATE_IOU * either].tolist()]


def _within(places: FloatArray, reach: FloatArray) -> NDArray[np.bool_]:
    """Whether each of N places is as near to each other one as its own ``reach (N,)``."""
    apart = places - places[:, None]
    return np.asarray(np.abs(apart, out=apart) <= reach[:, None])


def _of_corners(sigma_px: FloatArray) -> FloatArray:
    """Covariance ``(M, 4, 4)`` of cx, cy, w, h from the deviations ``(M, 4)`` of the corners."""
    variance = sigma_px**2
    low, high = variance[:, :2], variance[:, 2:]
    error = np.zeros((len(sigma_px), 4, 4))
    both = low + high
    diagonals, flat = variances(error), error.reshape(-1, 16)
    diagonals[:, :2], diagonals[:, 2:] = both / 4, both
    # Covariances of centre and side: the entries (0, 2), (1, 3) and those opposite.
    flat[:, 2:8:5] = flat[:, 8:14:5] = (high - low) / 2
    return error


def _jitter(boxes: FloatArray, box_jitter: float, scale: FloatArray) -> FloatArray:
    """Variances ``(M, 4)`` of what the model adds of its own, in proportion to the box."""
    sides = box_jitter * boxes[:, 2:]
    deviation = np.concatenate([sides, sides * SIZE_JITTER_RATIO], axis=1) * scale
    return np.asarray(deviation**2)
