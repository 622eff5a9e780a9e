# SPDX-License-Identifier: Apache-2.0
"""The boxes of one answer as measurements: sorted, without repetitions, with their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, area, xyxy_to_cxcywh
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
        words: the distinct labels, sorted.
        code: ``(M,)`` the label of each box as its place in ``words``.
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
    words: tuple[str, ...]
    code: NDArray[np.intp]
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
    words = tuple(sorted(set(keys)))
    rank = {key: place for place, key in enumerate(words)}
    code = np.array([rank[key] for key in keys], dtype=np.intp)
    order = np.lexsort((*found.xyxy_px.T[::-1], code, -found.scores))
    rows, row_of = _led(order, keys, _nearly_equal(found.xyxy_px))
    kept = rows.tolist()
    boxes = xyxy_to_cxcywh(found.xyxy_px.take(rows, axis=0))
    stated = _of_corners(found.sigma_px.take(rows, axis=0))
    error = stated.copy()
    own = variances(error)
    own += _jitter(boxes, box_jitter, np.ones(4) if scale is None else scale)
    return Measurements(
        boxes=boxes,
        error=error,
        stated=stated,
        labels=tuple([keys[i] for i in kept]),
        written=tuple([found.labels[i] for i in kept]),
        scores=found.scores[rows],
        source=tuple(row_of),
        first=tuple(kept),
        words=words,
        code=code[rows],
        calibrated=calibrated,
    )


def _led(
    order: NDArray[np.intp], keys: list[str], near: list[tuple[int, int]]
) -> tuple[NDArray[np.intp], list[int]]:
    """The boxes that lead a group of repetitions, and for each box the place of its leader in them.

    Args:
        order: all boxes, the best first.
        keys: their labels; only boxes of one label are repetitions.
        near: pairs (both ways round) of boxes that are nearly equal.
    """
    if not near:
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return order, places.tolist()
    alike: dict[int, list[int]] = {}
    for i, j in near:
        if keys[i] == keys[j]:
            alike.setdefault(i, []).append(j)
    row_of = [-1] * len(keys)
    kept: list[int] = []
    leads: set[int] = set()
    for i in order.tolist():
        rows = [row_of[j] for j in alike[i] if j in leads] if i in alike else []
        row_of[i] = min(rows, default=len(kept))
        if not rows:
            kept.append(i)
            leads.add(i)
    return np.array(kept, dtype=np.intp), row_of


def _nearly_equal(xyxy: FloatArray) -> list[tuple[int, int]]:
    """Pairs (both ways round) of boxes ``(N, 4)`` with an IoU above :data:`DUPLICATE_IOU`."""
    # They share at least as much across and down. So the distances of two edges add up to at most
    # ``reach``, and so does twice the distance of their centres: few need a closer look.
    count = len(xyxy)
    low, high = np.ascontiguousarray(xyxy.T).reshape(2, 2, count)
    twice, reach = low + high, (1 / DUPLICATE_IOU - 1) * (high - low)
    apart = twice[0] - twice[0][:, None]
    near = (np.abs(apart, out=apart) <= reach[0][:, None]).reshape(-1)
    near[:: count + 1] = False
    pairs = near.nonzero()[0]
    first = pairs // max(count, 1)
    second = pairs - count * first
    near = np.abs(twice[1][first] - twice[1][second]) <= reach[1][first]
    if not near.any():
        return []
    first, second = first[near], second[near]
    a, b = xyxy[first], xyxy[second]
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0.0)
    shared = sides[:, 0] * sides[:, 1]
    same = shared > DUPLICATE_IOU * (area(a) + area(b) - shared)
    return list(zip(first[same].tolist(), second[same].tolist(), strict=True))


def _from_corners() -> FloatArray:
    """How much each variance of x1, y1, x2, y2 adds to the covariance of cx, cy, w, h, ``(4, 16)``.

    A centre is half of the sum of two corners, a side their difference.
    """
    box_of = np.array([[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [-1, 0, 1, 0], [0, -1, 0, 1]])
    return np.asarray(np.einsum("ik,jk->kij", box_of, box_of), dtype=np.float64).reshape(4, 16)


_FROM_CORNERS = _from_corners()


def _of_corners(sigma_px: FloatArray) -> FloatArray:
    """Covariance ``(M, 4, 4)`` of cx, cy, w, h from the deviations ``(M, 4)`` of the corners."""
    return np.asarray((sigma_px**2 @ _FROM_CORNERS).reshape(-1, 4, 4))


_SIDES = np.array([2, 3, 2, 3])
_RATIOS = np.array([1.0, 1.0, SIZE_JITTER_RATIO, SIZE_JITTER_RATIO])


def _jitter(boxes: FloatArray, box_jitter: float, scale: FloatArray) -> FloatArray:
    """Variances ``(M, 4)`` of what the model adds of its own, in proportion to the box."""
    deviation = box_jitter * boxes.take(_SIDES, axis=1) * (_RATIOS * scale)
    return np.asarray(deviation**2)
