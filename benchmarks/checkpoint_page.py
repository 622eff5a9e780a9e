# SPDX-License-Identifier: Apache-2.0
"""A page of answers to look at: the best and the worst of those with something to find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lfmvl_ros.datasets.judging import JudgedReply, parse_strictly
from lfmvl_ros.datasets.questions import LabelledImage, Question
from lfmvl_ros.viz.drawing import Mark, draw_caption, draw_marks
from lfmvl_warehouse.scenes.sheet import contact_sheet

CELL_WH_PX = (480, 360)
COLUMNS, ROWS = 4, 4
RIGHT, WRONG, MISSED, UNCOUNTED = (60, 220, 90), (255, 70, 60), (255, 210, 0), (170, 170, 170)


class Item(Protocol):
    """What is drawn: see ``Answered`` of the benchmark."""

    scene: LabelledImage
    question: Question
    text: str
    verdict: JudgedReply


def goodness(item: Item) -> float:
    """F1 of the answer, times the mean IoU of what it found."""
    hits = [overlap for overlap in item.verdict.overlaps if overlap > 0]
    boxes = len(hits) + item.verdict.false
    return 2 * sum(hits) / (len(item.verdict.overlaps) + boxes)


def write_page(done: Sequence[Item], path: Path) -> None:
    """Draw the upper half from the best third of the answers, the lower half from the worst.

    Green: right. Red: wrong. Yellow, dashed: missed. Grey: on something too small to count.
    """
    several = sorted((i for i in done if len(i.verdict.overlaps) >= 2), key=goodness)
    half = COLUMNS * ROWS // 2
    rng = np.random.default_rng(0)
    third = max(len(several) // 3, half)

    def some(items: Sequence[Item]) -> list[Item]:
        return [items[i] for i in rng.permutation(len(items))[:half]]

    chosen = some(several[-third:]) + some(several[:third])
    sheet = contact_sheet([draw(item) for item in chosen], columns=COLUMNS)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def draw(item: Item) -> np.ndarray:
    """One answer on its image, scaled into a cell."""
    height, width = item.scene.pixels.shape[:2]
    scale = min(CELL_WH_PX[0] / width, CELL_WH_PX[1] / height)
    size = (round(width * scale), round(height * scale))
    pixels = cv2.resize(item.scene.pixels, size, interpolation=cv2.INTER_CUBIC)
    to_px = np.array(size * 2, float)
    marks = [
        Mark(tuple(found.xyxy * to_px), found.label, MISSED, dashed=True)
        for found, overlap in zip(item.question.found, item.verdict.overlaps, strict=True)
        if not overlap
    ]
    for (label, box), overlap in zip(
        parse_strictly(item.text) or (), item.verdict.boxes, strict=True
    ):
        colour = UNCOUNTED if overlap is None else RIGHT if overlap else WRONG
        marks.append(Mark(tuple(box * to_px), label, colour))
    cell = np.full((CELL_WH_PX[1] + 20, CELL_WH_PX[0], 3), 30, np.uint8)
    cell[: size[1], : size[0]] = draw_marks(pixels, marks)
    draw_caption(cell, "asked: " + ", ".join(item.question.labels))
    return cell
