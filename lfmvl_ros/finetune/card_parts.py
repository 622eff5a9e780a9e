# SPDX-License-Identifier: Apache-2.0
"""Parts of model cards that `lfmvl train` and `lfmvl finetune` share: data, scores, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = {
    "recall50": "recall",
    "precision50": "precision",
    "mean_iou": "mean IoU",
    "valid_json": "valid JSON",
    "absent_label_empty": "absent → `[]`",
}
"""Rates of :class:`lfmvl_ros.datasets.judging.Scores`, and their names in a table."""


def cell(value: float | None) -> str:
    """Return a rate as a table shows it.

    >>> cell(0.5), cell(None)
    ('0.500', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def images(count: int) -> str:
    """Return a number of images in words.

    >>> images(1), images(1200)
    ('1 image', '1,200 images')
    """
    return "1 image" if count == 1 else f"{count:,} images"


def scores_table(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str] = COLUMNS) -> str:
    """Return a table of judgements, one row each; ``step`` is its number of updates."""
    lines = [f"| after | {' | '.join(columns.values())} |", "|---|" + "---|" * len(columns)]
    for record in records:
        cells = " | ".join(cell(record.get(column)) for column in columns)
        lines.append(f"| {record['step']:,} updates | {cells} |")
    return "\n".join(lines)


def data_row(data: Mapping[str, Any], shown: str = "mirrored and cropped at random") -> str:
    """Return what a table says of a folder: counts, categories, and what was left out.

    Args:
        data: facts of a :class:`lfmvl_ros.datasets.coco.CocoFolder`.
        shown: how its images were changed.
    """
    each = ", ".join(f"{name} {count:,}" for name, count in data["boxes_by_category"].items())
    learnt = data["images"] - data["held_out_images"]
    row = (
        f"data | {data['name']}: {images(learnt)} to learn from, {shown}, and "
        f"{data['held_out_images']:,} to judge by; {data['boxes']:,} boxes of "
        f"{len(data['boxes_by_category'])} categories ({each})"
    )
    if data["left_out"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in data["left_out"].items())
        row += f" |\n| left out | {reasons}"
    return row
