# SPDX-License-Identifier: Apache-2.0
"""Models side by side: shares with their intervals, time by stage, memory; drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.viz.lettering import draw_text

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
_INK, _GREY, _PALE = (40, 40, 40), (120, 120, 120), (225, 225, 225)
_COLOURS = ((45, 105, 175), (200, 70, 60), (60, 140, 70), (150, 90, 170), (180, 130, 30))
_ROW, _LEFT, _WIDE, _GAP, _TITLE = 26, 210, 520, 34, 34
_VALUE = 110  # room for a number behind a row


@dataclass(frozen=True)
class Share:
    """A figure between 0 and 1 with its interval; drawn as a dot on a line."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PlotGroup:
    """Rows of one figure.

    Attributes:
        title: above them.
        rows: for each model by name its share, or its parts one behind the other (name, value).
        unit: behind the sum of parts; "" for shares.
    """

    title: str
    rows: Mapping[str, Share | Sequence[tuple[str, float]]]
    unit: str = ""


def comparison_plot(groups: Sequence[PlotGroup]) -> Image:
    """Return an RGB image ``(H, W, 3)``, one group of rows below the other.

    A group of parts is drawn to the scale of its longest row; colours stand for models among
    shares, for parts elsewhere, with the parts' names below.
    """
    groups = [group for group in groups if group.rows]
    heights = [_TITLE + _ROW * len(group.rows) + _GAP for group in groups]
    canvas: Image = np.full((sum(heights) + 20, _LEFT + _WIDE + _VALUE, 3), 255, np.uint8)
    names = dict.fromkeys(name for group in groups for name in group.rows)
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    top = 10
    for group, height in zip(groups, heights, strict=True):
        _draw_group(canvas, group, top, colours)
        top += height
    return canvas


def _draw_group(canvas: Image, group: PlotGroup, top: int, colours: Mapping[str, Colour]) -> None:
    draw_text(canvas, group.title, 10, top + 20, 0.6, _INK)
    longest = max(
        [sum(v for _, v in row) for row in group.rows.values() if not isinstance(row, Share)],
        default=0.0,
    )
    if any(isinstance(row, Share) for row in group.rows.values()):
        draw_text(canvas, "0", _LEFT - 4, top + 28, 0.4, _GREY)
        draw_text(canvas, "1", _LEFT + _WIDE - 4, top + 28, 0.4, _GREY)
    y = top + _TITLE
    for name, row in group.rows.items():
        draw_text(canvas, _cut(name), 10, y + 18, 0.42, _INK)
        if isinstance(row, Share):
            _draw_share(canvas, row, y, colours[name])
        else:
            _draw_parts(canvas, row, y, longest or 1.0, group.unit)
        y += _ROW
    parts = dict.fromkeys(
        part for row in group.rows.values() if not isinstance(row, Share) for part, _ in row
    )
    x = _LEFT
    for colour, part in zip(_COLOURS, parts, strict=False):
        cv2.rectangle(canvas, (x, y + 5), (x + 10, y + 15), colour, -1)
        draw_text(canvas, part, x + 15, y + 15, 0.4, _GREY)
        x += 30 + 8 * len(part)


def _draw_share(canvas: Image, share: Share, y: int, colour: Colour) -> None:
    for tenth in range(0, 11, 2):
        x = _LEFT + tenth * _WIDE // 10
        cv2.line(canvas, (x, y), (x, y + _ROW), _PALE, 1)
    low, high, at = (_LEFT + round(min(max(v, 0.0), 1.0) * _WIDE)
                     for v in (share.low, share.high, share.value))  # fmt: skip
    middle = y + _ROW // 2
    cv2.line(canvas, (low, middle), (high, middle), colour, 3, cv2.LINE_AA)
    cv2.circle(canvas, (at, middle), 6, colour, -1, cv2.LINE_AA)
    draw_text(canvas, f"{share.value:.3f}", _LEFT + _WIDE + 14, y + 18, 0.45, _INK)


def _draw_parts(
    canvas: Image, parts: Sequence[tuple[str, float]], y: int, longest: float, unit: str
) -> None:
    before = 0.0
    for colour, (_, value) in zip(_COLOURS, parts, strict=False):
        ends = [_LEFT + round((before + each) / longest * _WIDE) for each in (0.0, value)]
        if ends[1] > ends[0]:
            cv2.rectangle(canvas, (ends[0], y + 4), (ends[1], y + _ROW - 4), colour, -1)
        before += value
    draw_text(canvas, f"{before:.0f} {unit}", _LEFT + _WIDE + 14, y + 18, 0.45, _INK)


def _cut(name: str, most: int = 26) -> str:
    """Keep the end of a long name: that is where models differ."""
    return name if len(name) <= most else f"...{name[-most + 3 :]}"
