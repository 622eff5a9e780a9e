# SPDX-License-Identifier: Apache-2.0
"""Figures by slice: object size, hidden share, light, aspect of the image, language.

The limits are fixed, so that scorecards of different data can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.figures import Sums, sums_of
from lfmvl_ros.evaluate.table import AnswerTable, BoolArray

SIZES = (("under 0.4 %", 0.0, 0.004), ("0.4 to 1 %", 0.004, 0.01), ("1 to 10 %", 0.01, 0.1),
         ("over 10 %", 0.1, np.inf))  # fmt: skip
"""Share of the image that an object's box covers."""
HIDDEN = (("under 10 % hidden", 0.0, 0.1), ("10 to 50 % hidden", 0.1, 0.5),
          ("half or more hidden", 0.5, np.inf))  # fmt: skip
LIGHT = (("dark (under 0.25)", 0.0, 0.25), ("medium", 0.25, 0.65), ("bright (over 0.65)", 0.65,
         np.inf))  # fmt: skip
"""Mean brightness of the image, 0 to 1."""
ASPECT = (("tall (under 3:4)", 0.0, 0.75), ("3:4 to 4:3", 0.75, 1.34), ("4:3 to 2:1", 1.34, 2.0),
          ("wide (2:1 and over)", 2.0, np.inf))  # fmt: skip
"""Width divided by height of the image."""
LISTED_IMAGES = 20
"""Names of images that a label lists at most for each kind of error."""

Limits = Sequence[tuple[str, float, float]]
_OF_BOXES = ("precision", "recall", "f1", "mean_iou")


def slices_of(table: AnswerTable) -> list[dict[str, Any]]:
    """Return an entry for every slice that has something in it."""
    entries = [
        *_by_object(table, "size", SIZES, table.objects.area, table.boxes.area),
        *_by_object(table, "occlusion", HIDDEN, table.objects.hidden, None),
        *_by_answer(table, "light", LIGHT, lambda item: item.light),
        *_by_answer(table, "aspect", ASPECT, lambda item: item.wh_px[0] / item.wh_px[1]),
        *_by_language(table),
    ]
    return [entry for entry in entries if entry["objects"] or entry["boxes"] or entry["absent"]]


def _within(values: FloatArray, low: float, high: float) -> BoolArray:
    return np.asarray((values >= low) & (values < high))


def _by_object(
    table: AnswerTable, by: str, limits: Limits, objects: FloatArray, boxes: FloatArray | None
) -> Iterator[dict[str, Any]]:
    """Slice by something that objects have, and wrong boxes where ``boxes`` is given."""
    for name, low, high in limits:
        of_boxes: BoolArray = np.zeros(len(table.boxes.iou), bool)
        if boxes is not None:
            of_boxes = _within(boxes, low, high)
        sums = sums_of(
            table, answers=table.headline, objects=_within(objects, low, high), boxes=of_boxes
        )
        names = _OF_BOXES if boxes is not None else ("recall", "mean_iou")
        yield _entry(by, name, sums, names)


def _by_answer(
    table: AnswerTable, by: str, limits: Limits, value: Callable[[JudgedAnswer], float]
) -> Iterator[dict[str, Any]]:
    values = np.array([value(item) for item in table.judged], np.float64)
    for name, low, high in limits:
        sums = sums_of(table, answers=table.headline & _within(values, low, high))
        yield _entry(by, name, sums, (*_OF_BOXES, "absent_empty"))


def _by_language(table: AnswerTable) -> Iterator[dict[str, Any]]:
    spoken = np.array([item.question.language for item in table.judged])
    of_labels = table.where(lambda item: item.question.row is None)
    for language in dict.fromkeys(spoken[of_labels].tolist()):
        sums = sums_of(table, answers=of_labels & (spoken == language))
        yield _entry("language", language, sums, (*_OF_BOXES, "absent_empty"))


def _entry(by: str, name: str, sums: Sums, names: Sequence[str]) -> dict[str, Any]:
    return {
        "by": by,
        "slice": name,
        "images": int(sums.rows.any(axis=1).sum()),
        "objects": int(sums.column("objects").sum()),
        "boxes": int(sums.column("boxes").sum()),
        "absent": int(sums.column("absent").sum()),
        **sums.figures(*names),
    }


def labels_of(
    table: AnswerTable, labels: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return an entry for every label: figures, false positives and negatives and where they are.

    Args:
        table: all answers.
        labels: of the categories.
        names: of the images.
    """
    entries = []
    for kind, label in enumerate(labels):
        objects, boxes = table.objects.kind == kind, table.boxes.kind == kind
        sums = sums_of(table, answers=table.headline, objects=objects, boxes=boxes)
        total = {name: int(sums.column(name).sum()) for name in ("objects", "found", "boxes")}
        if not total["objects"] and not total["boxes"]:
            continue
        missed = sums.column("objects") - sums.column("found")
        false = sums.column("boxes") - sums.column("right")
        entries.append({
            "label": label,
            **total,
            "false_negatives": int(missed.sum()),
            "false_positives": int(false.sum()),
            **sums.figures(*_OF_BOXES),
            "missed_in": _worst(missed, names),
            "false_in": _worst(false, names),
        })  # fmt: skip
    return entries


def _worst(counts: FloatArray, names: Sequence[str]) -> list[str]:
    order = np.argsort(-counts, kind="stable")[:LISTED_IMAGES]
    return [names[i] for i in order if counts[i] > 0]


def not_asked(table: AnswerTable) -> int:
    """Return how many boxes have a label that the question did not name, or nobody annotated."""
    return int((table.headline[table.boxes.answer] & (table.boxes.kind < 0)).sum())
