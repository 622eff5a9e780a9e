# SPDX-License-Identifier: Apache-2.0
"""Shares and means with 95 % intervals: whole images are resampled, as their errors correlate.

The bootstrap (Efron, 1979), percentile method. Where every draw gives the same (a recall of 1 on
few objects), nothing varies although much is unknown: then Wilson's interval of the share is given.
Wilson's interval exists only for proportions: other figures have no interval then, nor with fewer
than :data:`LEAST_IMAGES` images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.calibration.reliability import share_interval
from lfmvl_ros.evaluate.answers import IntArray
from lfmvl_ros.evaluate.table import AnswerTable, BoolArray

DRAWS = 1000
LEVEL = 0.95
_NO_WIDTH = 1e-9
LEAST_IMAGES = 10
"""With fewer images (answers, for a latency), only proportions have an interval."""
COLUMNS = (
    "objects", "found", "boxes", "right", "iou_sum",
    "absent", "absent_right", "pairs", "count_off", "expressions", "expressions_right", "score_sum",
)  # fmt: skip
"""What is summed for each image; every figure is a quotient of such sums."""

QUOTIENTS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float], bool]] = {
    "precision": ({"right": 1}, {"boxes": 1}, True),
    "recall": ({"found": 1}, {"objects": 1}, True),
    "f1": ({"found": 1, "right": 1}, {"objects": 1, "boxes": 1}, True),
    "mean_iou": ({"iou_sum": 1}, {"found": 1}, False),
    "absent_empty": ({"absent_right": 1}, {"absent": 1}, True),
    "count_error": ({"count_off": 1}, {"pairs": 1}, False),
    "referring": ({"expressions_right": 1}, {"expressions": 1}, True),
}
"""Name -> what is summed above, below, and whether it is a share of things counted."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums for each image, ``(I, 12)`` in the order of :data:`COLUMNS`."""

    rows: FloatArray

    def column(self, name: str) -> FloatArray:
        """Return ``(I,)`` one sum for each image."""
        return np.asarray(self.rows[:, COLUMNS.index(name)])

    def figures(self, *names: str) -> dict[str, Any]:
        """Return figures with their intervals by name."""
        return {name: self.figure(name) for name in names or QUOTIENTS}

    def figure(self, name: str) -> dict[str, Any]:
        """Return value, interval and what it was counted on; value None where there is nothing."""
        above, below, is_share = QUOTIENTS[name]
        weights = np.array([[of.get(column, 0.0) for column in COLUMNS] for of in (above, below)])
        total = self.rows.sum(axis=0) @ weights.T
        images = int(((self.rows @ weights[1]) > 0).sum())
        return _figure_of(total, self._drawn @ weights.T, images, is_share=is_share)

    @cached_property
    def _drawn(self) -> FloatArray:
        """``(DRAWS, 12)`` the sums when images are drawn again: one product for all figures."""
        return _drawn_sums(self.rows)


def quotient_figure(upper: FloatArray, lower: FloatArray, *, is_share: bool) -> dict[str, Any]:
    """Return ``upper.sum() / lower.sum()`` with its interval.

    Args:
        upper: ``(I,)`` a sum for each image.
        lower: likewise.
        is_share: it is a share of things counted, 0 to 1.
    """
    rows = np.stack([upper, lower], axis=1)
    images = int((lower > 0).sum())
    return _figure_of(rows.sum(axis=0), _drawn_sums(rows), images, is_share=is_share)


def _drawn_sums(rows: FloatArray) -> FloatArray:
    """Return the sums of ``rows`` ``(I, C)`` in each draw, ``(DRAWS, C)``.

    A few draws at a time: BLAS shares a larger product among cores, and on a busy machine their
    waiting for each other takes six times the CPU time of the product.
    """
    weights = draw_weights(len(rows))
    step = 40
    return np.concatenate([weights[at : at + step] @ rows for at in range(0, len(weights), step)])


def _figure_of(
    total: FloatArray, drawn: FloatArray, images: int, *, is_share: bool
) -> dict[str, Any]:
    """Return the figure of two sums ``(2,)``, and of these sums in each draw, ``(DRAWS, 2)``.

    Args:
        total: what is above and below, over all images.
        drawn: the same in each draw.
        images: that have something to count.
        is_share: it is a share of things counted.
    """
    above, below = map(float, total)
    if below <= 0:
        return figure(None, None, 0)
    if not is_share and images < LEAST_IMAGES:
        return figure(above / below, None, int(below))
    known = drawn[drawn[:, 1] > 0]
    low, high = np.quantile(known[:, 0] / known[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if is_share and high - low < _NO_WIDTH:
        low, high = share_interval(above / below, below)
    return figure(above / below, (float(low), float(high)), int(below))


def figure(value: float | None, interval: tuple[float, float] | None, count: int) -> dict[str, Any]:
    """Return a figure as the scorecard has it.

    An interval without width is left out: it says that nothing varies, and not how certain the
    value is.
    """
    if interval is not None and interval[1] - interval[0] < _NO_WIDTH:
        interval = None
    low, high = interval if interval is not None else (None, None)
    rounded = [None if each is None else round(each, 4) for each in (value, low, high)]
    return {"value": rounded[0], "low": rounded[1], "high": rounded[2], "n": count}


@lru_cache(maxsize=4)
def draw_weights(count: int, *, times: int = DRAWS, seed: int = 0) -> FloatArray:
    """Return ``(times, count)`` how often each of ``count`` things is drawn with replacement."""
    if not count:
        return np.zeros((times, 0))
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=times).astype(np.float64)


def sums_of(
    table: AnswerTable, *, answers: BoolArray, objects: BoolArray | None = None,
    boxes: BoolArray | None = None,
) -> Sums:  # fmt: skip
    """Return the sums of a part of the table.

    Args:
        table: all answers.
        answers: ``(A,)`` which of them count.
        objects: ``(N,)`` which objects of these; None for all.
        boxes: ``(M,)`` which boxes of these; None for all.
    """
    seen, found = table.objects, table.boxes
    of_objects = answers[seen.answer] & (True if objects is None else objects)
    of_boxes = answers[found.answer] & (True if boxes is None else boxes)
    rows = np.zeros((table.images, len(COLUMNS)))

    def add(name: str, image: IntArray, value: FloatArray | BoolArray) -> None:
        summed = np.bincount(image, weights=value, minlength=table.images)
        rows[:, COLUMNS.index(name)] = summed

    add("objects", seen.image, of_objects)
    add("found", seen.image, of_objects & (seen.iou > 0))
    add("iou_sum", seen.image, np.where(of_objects, seen.iou, 0.0))
    add("boxes", found.image, of_boxes)
    add("right", found.image, of_boxes & (found.iou > 0))
    add("score_sum", found.image, np.where(of_boxes, found.score, 0.0))
    if objects is None and boxes is None:
        absent = answers & table.absent
        add("absent", table.image, absent)
        add("absent_right", table.image, absent & table.silent)
        add("pairs", table.image, np.where(answers, table.labels_asked, 0))
        add("count_off", table.image, np.where(answers, table.count_off, 0.0))
    return Sums(rows)
