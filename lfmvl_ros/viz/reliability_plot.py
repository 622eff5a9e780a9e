# SPDX-License-Identifier: Apache-2.0
"""Reliability diagrams: what confidences say, against the share that was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.calibration.reliability import share_interval

Image = NDArray[np.uint8]
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIDE, _LEFT, _TOP, _GAP, _COUNTS = 400, 80, 90, 70, 80
_INK, _GREY, _PALE = (40, 40, 40), (150, 150, 150), (225, 225, 225)
_BLUE, _LIGHT_BLUE, _RED = (45, 105, 175), (170, 200, 230), (200, 70, 60)


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        title: above it, ASCII.
        note: below the title.
        bins: as :func:`lfmvl_ros.core.calibration.reliability.reliability` returns them.
    """

    title: str
    note: str
    bins: Sequence[Mapping[str, float]]


def reliability_plot(panels: Sequence[Panel]) -> Image:
    """Return an RGB image ``(H, W, 3)`` with the diagrams side by side.

    A bar a bin: its height is the share that was right, the dot on it the mean confidence; on the
    dashed line both are the same. The thin line through a bar is the 90 % interval that chance
    leaves to a share of so many boxes. Below, how many boxes each bin has.
    """
    width = _LEFT + len(panels) * (_SIDE + _GAP)
    canvas: Image = np.full((_TOP + _SIDE + _COUNTS + 110, width, 3), 255, np.uint8)
    most = max((entry["boxes"] for panel in panels for entry in panel.bins), default=1)
    for number, panel in enumerate(panels):
        _draw_panel(canvas, panel, _LEFT + number * (_SIDE + _GAP), most)
    return canvas


def _draw_panel(canvas: Image, panel: Panel, left: int, most: float) -> None:
    _text(canvas, panel.title, (left, 38), 0.7, thick=2)
    _text(canvas, panel.note, (left, 68), 0.5)
    bottom = _TOP + _SIDE
    for i in range(0, 11, 2):
        x, y = left + i * _SIDE // 10, bottom - i * _SIDE // 10
        cv2.line(canvas, (left, y), (left + _SIDE, y), _PALE, 1)
        _text(canvas, f"{i / 10:.1f}", (left - 38, y + 5), 0.45)
        _text(canvas, f"{i / 10:.1f}", (x - 12, bottom + _COUNTS + 40), 0.45)
    for entry in panel.bins:
        _draw_bin(canvas, entry, left, most)
    for start in range(0, _SIDE, 16):  # the line where both are the same
        ends = [(left + at, bottom - at) for at in (start, min(start + 8, _SIDE))]
        cv2.line(canvas, ends[0], ends[1], _GREY, 1, cv2.LINE_AA)
    for entry in panel.bins:
        x = left + round(entry["confidence"] * _SIDE)
        y = bottom - round(entry["right"] * _SIDE)
        cv2.circle(canvas, (x, y), 5, _RED, -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (left, _TOP), (left + _SIDE, bottom), _INK, 1)
    _text(canvas, "confidence", (left + _SIDE // 2 - 40, bottom + _COUNTS + 70), 0.5)
    if left == _LEFT:
        _text(canvas, "share right", (8, _TOP - 8), 0.45)
        _text(canvas, "boxes", (14, bottom + 50), 0.45)


def _draw_bin(canvas: Image, entry: Mapping[str, float], left: int, most: float) -> None:
    bottom, wide = _TOP + _SIDE, _SIDE // 10
    at = left + min(9, int(entry["confidence"] * 10)) * wide
    share, boxes = entry["right"], max(1.0, entry["boxes"])
    top = bottom - round(share * _SIDE)
    cv2.rectangle(canvas, (at + 3, top), (at + wide - 3, bottom), _LIGHT_BLUE, -1)
    low, high = share_interval(share, boxes, z=1.645)
    middle = at + wide // 2
    ends = [(middle, bottom - round(value * _SIDE)) for value in (low, high)]
    cv2.line(canvas, ends[0], ends[1], _BLUE, 2, cv2.LINE_AA)
    deep = max(1, round(boxes / most * (_COUNTS - 24)))
    cv2.rectangle(canvas, (at + 3, bottom + 6), (at + wide - 3, bottom + 6 + deep), _GREY, -1)
    label = f"{int(entry['boxes'])}"
    place = (middle - 4 * len(label), bottom + deep + 20)
    _text(canvas, label, place, 0.36)


def _text(canvas: Image, text: str, at: tuple[int, int], size: float, *, thick: int = 1) -> None:
    cv2.putText(canvas, text, at, _FONT, size, _INK, thick, cv2.LINE_AA)
