# SPDX-License-Identifier: Apache-2.0
"""Plots of figures over the steps of a run, drawn with OpenCV: no plotting library is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Point = tuple[int, int]
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WIDE, _HIGH, _LEFT, _TOP, _GAP, _BELOW = 460, 320, 70, 60, 60, 60
_INK, _PALE = (40, 40, 40), (225, 225, 225)
_COLOURS = ((45, 105, 175), (200, 70, 60), (60, 140, 70), (150, 90, 170), (180, 130, 30))


@dataclass(frozen=True)
class Curve:
    """A line of a plot: a name, ASCII, and (step, value) pairs in their order, finite."""

    name: str
    points: Sequence[tuple[float, float]]


def line_plot(panels: Sequence[tuple[str, Sequence[Curve]]]) -> Image:
    """Return an RGB image ``(H, W, 3)`` with one plot a panel, side by side.

    Args:
        panels: title, ASCII, and curves of each. The axes begin at 0, where lower values are drawn,
            too; the vertical one ends at 1, or above the largest value.
    """
    width = _LEFT + len(panels) * (_WIDE + _GAP)
    canvas: Image = np.full((_TOP + _HIGH + _BELOW, width, 3), 255, np.uint8)
    for number, (title, curves) in enumerate(panels):
        _draw_panel(canvas, title, curves, _LEFT + number * (_WIDE + _GAP))
    return canvas


def _draw_panel(canvas: Image, title: str, curves: Sequence[Curve], left: int) -> None:
    _text(canvas, title, (left, 30), 0.6)
    points = [point for curve in curves for point in curve.points]
    last = max([step for step, _ in points], default=1.0) or 1.0
    highest = max([value for _, value in points], default=1.0)
    top = 1.0 if highest <= 1 else min(1.05 * highest, sys.float_info.max)

    def place(step: float, value: float) -> Point:
        step, value = max(0, step), max(0, value)
        return left + round(step / last * _WIDE), _TOP + _HIGH - round(value / top * _HIGH)

    for part in range(6):
        share = part / 5
        (_, y), (x, _) = place(0, share * top), place(share * last, 0)
        cv2.line(canvas, (left, y), (left + _WIDE, y), _PALE, 1)
        _text(canvas, f"{share * top:.2g}", (left - 42, y + 5), 0.42)
        _text(canvas, f"{share * last:.0f}", (x - 10, _TOP + _HIGH + 22), 0.42)
    for curve, colour in zip(curves, _COLOURS, strict=False):
        line = np.array([place(*point) for point in curve.points], np.int32).reshape(-1, 1, 2)
        cv2.polylines(canvas, [line], False, colour, 2, cv2.LINE_AA)
        if len(curve.points) < 40:
            for x, y in line[:, 0].tolist():
                cv2.circle(canvas, (x, y), 3, colour, -1, cv2.LINE_AA)
    _legend(canvas, curves, left)
    cv2.rectangle(canvas, (left, _TOP), (left + _WIDE, _TOP + _HIGH), _INK, 1)
    _text(canvas, "updates", (left + _WIDE // 2 - 25, _TOP + _HIGH + 46), 0.45)


def _legend(canvas: Image, curves: Sequence[Curve], left: int) -> None:
    x = left
    for curve, colour in zip(curves, _COLOURS, strict=False):
        cv2.line(canvas, (x, 46), (x + 14, 46), colour, 3)
        _text(canvas, curve.name, (x + 18, 50), 0.4)
        x += 26 + cv2.getTextSize(curve.name, _FONT, 0.4, 1)[0][0]


def _text(canvas: Image, text: str, at: Point, size: float) -> None:
    cv2.putText(canvas, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)
