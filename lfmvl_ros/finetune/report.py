# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: loss and scores, and held-out images before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.finetune.judge import Answered
from lfmvl_ros.finetune.run_folder import read_log
from lfmvl_ros.viz.drawing import draw_caption, draw_marks, marks_of_detections
from lfmvl_ros.viz.line_plot import Curve, line_plot
from lfmvl_ros.viz.video import write_image

_SHOWN = 6  # images
_HEIGHT_PX = 300
_GAP_PX = 6


def write_plot(path: Path, log: Path) -> None:
    """Draw the loss, and recall and precision of the held-out answers, over the updates."""
    records = read_log(log)
    loss = [
        (r["step"], r["loss"]) for r in records if r.get("loss") is not None
    ]  # null: not finite
    evaluated = [(r["step"], r["held_out"]) for r in records if "held_out" in r]
    curves = [Curve("loss", loss)]
    scores = [
        Curve(name, [(step, rates[key]) for step, rates in evaluated if rates.get(key) is not None])
        for name, key in (
            ("recall", "recall50"),
            ("precision", "precision50"),
            ("[] for absent", "absent_label_empty"),
            ("score", "score"),
            ("recall, old images", "old_recall50"),
        )
    ]
    panels = [("loss of the answers' tokens", curves), ("held-out images", scores)]
    write_image(path, line_plot([(title, [c for c in each if c.points]) for title, each in panels]))


def write_comparison(path: Path, before: Sequence[Answered], after: Sequence[Answered]) -> None:
    """Draw the answers of the start and of the new weights side by side.

    Shown are questions spread evenly over the held-out ones, whatever their answers are.
    """
    chosen = np.linspace(0, len(after) - 1, min(_SHOWN, len(after))).astype(int)
    rows = []
    for index in dict.fromkeys(chosen.tolist()):
        pair = [_drawn(before[index], "before"), _drawn(after[index], "after")]
        gap = np.full((pair[0].shape[0], _GAP_PX, 3), 255, np.uint8)
        rows.append(np.concatenate([pair[0], gap, pair[1]], axis=1))
    widest = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, _GAP_PX), (0, widest - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    write_image(path, np.concatenate(padded))


def _drawn(answered: Answered, when: str) -> NDArray[Any]:
    pixels = np.ascontiguousarray(answered.asked.scene.pixels)
    scale = _HEIGHT_PX / pixels.shape[0]
    size = (max(1, round(pixels.shape[1] * scale)), _HEIGHT_PX)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
    marks = []
    for mark in marks_of_detections(answered.grounding.detections):
        x0, y0, x1, y1 = mark.xyxy_px
        marks.append(replace(mark, xyxy_px=(scale * x0, scale * y0, scale * x1, scale * y1)))
    canvas = draw_marks(small, marks)
    draw_caption(canvas, f"{when}: {', '.join(answered.asked.question.labels)}")
    return canvas
