# SPDX-License-Identifier: Apache-2.0
"""Draw boxes, names, velocities and trails on an image."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.viz.lettering import draw_text, labelled, text_size

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
_GOLDEN_RATIO = 0.618033988749895


@dataclass(frozen=True)
class Mark:
    """One box to draw.

    Attributes:
        xyxy_px: corners in pixels; parts outside the image are cut off.
        text: what stands on the box.
        colour: RGB, 0 to 255.
        dashed: drawn dashed: predicted, not seen lately.
        velocity_px_s: arrow from the centre, as far as one second takes it; None for no arrow.
    """

    xyxy_px: tuple[float, float, float, float]
    text: str
    colour: Colour
    dashed: bool = False
    velocity_px_s: tuple[float, float] | None = None


def colour_of(key: int) -> Colour:
    """Return a bright RGB colour for a track id: neighbours in number differ clearly in hue."""
    red, green, blue = colorsys.hsv_to_rgb((key * _GOLDEN_RATIO) % 1.0, 0.75, 1.0)
    return int(red * 255), int(green * 255), int(blue * 255)


def marks_of_detections(detections: Detections) -> list[Mark]:
    """Return one mark a detection; the colour goes with the label."""
    order = {label: i for i, label in enumerate(dict.fromkeys(detections.labels))}
    return [
        Mark(tuple(xyxy), labelled(label, f"{score:.2f}"), colour_of(order[label] + 1))
        for xyxy, label, score in zip(
            detections.xyxy_px.tolist(), detections.labels, detections.scores, strict=True
        )
    ]


def marks_of_tracks(tracks: Tracks) -> dict[int, Mark]:
    """Return a mark by id for each confirmed track: colour by id, dashed while coasting.

    Tentative tracks are not drawn: about half of them are not there.
    """
    return {
        int(tracks.ids[i]): Mark(
            tuple(tracks.xyxy_px[i].tolist()),
            labelled(tracks.labels[i], f"#{int(tracks.ids[i])}", f"{tracks.scores[i]:.2f}"),
            colour_of(int(tracks.ids[i])),
            dashed=tracks.state[i] is TrackState.COASTING,
            velocity_px_s=tuple(tracks.velocity_px_s[i].tolist()),
        )
        for i in tracks.established
    }


def draw_marks(pixels: Image, marks: Iterable[Mark]) -> Image:
    """Return a copy of an ``(H, W, 3)`` RGB image with the marks on it."""
    canvas = np.ascontiguousarray(pixels).copy()
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    for mark in marks:
        _draw_box(canvas, mark, scale)
    for mark in marks:
        _draw_text(canvas, mark, scale)
    return canvas


def draw_trails(
    canvas: Image, trails: Iterable[tuple[Sequence[tuple[float, float]], Colour]]
) -> None:
    """Draw, in place, where each track's centre has been: points in pixels, oldest first."""
    for points, colour in trails:
        if len(points) > 1:
            path = np.rint(np.asarray(points)).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [path], False, colour, 1, cv2.LINE_AA)


def draw_caption(canvas: Image, text: str) -> None:
    """Draw, in place, a line of white text on a dark strip along the lower edge."""
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    _, height, base = text_size(text, scale)
    top = canvas.shape[0] - height - base - 6
    canvas[max(top, 0) :] = canvas[max(top, 0) :] // 3
    draw_text(canvas, text, 6, canvas.shape[0] - base - 3, scale, (255, 255, 255))


def _draw_box(canvas: Image, mark: Mark, scale: float) -> None:
    height, width = canvas.shape[:2]
    limits = (width - 1, height - 1, width - 1, height - 1)
    x1, y1, x2, y2 = (
        round(min(max(value, 0), limit)) for value, limit in zip(mark.xyxy_px, limits, strict=True)
    )
    thickness = max(2, round(3 * scale))
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        if mark.dashed:
            _dashed_line(canvas, start, end, mark.colour, thickness)
        else:
            cv2.line(canvas, start, end, mark.colour, thickness, cv2.LINE_AA)
    if mark.velocity_px_s is not None and max(map(abs, mark.velocity_px_s)) > 3:
        centre = ((x1 + x2) // 2, (y1 + y2) // 2)
        tip = tuple(round(c + v) for c, v in zip(centre, mark.velocity_px_s, strict=True))
        cv2.arrowedLine(canvas, centre, tip, mark.colour, 1, cv2.LINE_AA, tipLength=0.2)


def _dashed_line(
    canvas: Image, start: tuple[int, int], end: tuple[int, int], colour: Colour, thickness: int
) -> None:
    length = max(1.0, float(np.hypot(end[0] - start[0], end[1] - start[1])))
    dash, gap = 5.0, 9.0  # the ends are rounded, which takes from the gap
    for begin in np.arange(0.0, length, dash + gap):
        a, b = begin / length, min(1.0, (begin + dash) / length)
        cv2.line(
            canvas,
            (round(start[0] + (end[0] - start[0]) * a), round(start[1] + (end[1] - start[1]) * a)),
            (round(start[0] + (end[0] - start[0]) * b), round(start[1] + (end[1] - start[1]) * b)),
            colour,
            thickness,
            cv2.LINE_AA,
        )


def _draw_text(canvas: Image, mark: Mark, scale: float) -> None:
    width, height, base = text_size(mark.text, scale)
    left = int(min(max(mark.xyxy_px[0], 0), max(canvas.shape[1] - width - 4, 0)))
    bottom = int(min(max(mark.xyxy_px[1], height + base + 2), canvas.shape[0] - 1))
    chip = (left, bottom - height - base - 2), (left + width + 3, bottom)
    cv2.rectangle(canvas, *chip, mark.colour, -1)
    dark = sum(mark.colour) > 330
    ink = (0, 0, 0) if dark else (255, 255, 255)
    draw_text(canvas, mark.text, left + 2, bottom - base, scale, ink)
