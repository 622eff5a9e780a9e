# SPDX-License-Identifier: Apache-2.0
"""Draw the zones and events of rules on an image."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.rules import Event, Zone
from lfmvl_ros.viz.lettering import draw_text, text_size

Image = NDArray[np.uint8]
_QUIET, _ACTIVE = (80, 200, 255), (255, 70, 50)
_MOST_LINES = 12


def draw_zones(pixels: Image, zones: Iterable[Zone], events: Iterable[Event]) -> Image:
    """Return a copy of an ``(H, W, 3)`` RGB image with zones and the active events.

    Zones in metres are not drawn. The zone of an event is red; the events are listed in the upper
    left corner, each with its objects.
    """
    going = list(events)
    canvas = np.ascontiguousarray(pixels).copy()
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    active = {event.zone for event in going}
    size = np.array([canvas.shape[1], canvas.shape[0]])
    for zone in zones:
        if zone.frame:
            continue
        colour = _ACTIVE if zone.name in active else _QUIET
        outline = np.rint(zone.polygon.points * size).astype(np.int32).reshape(-1, 1, 2)
        tint = canvas.copy()
        cv2.fillPoly(tint, [outline], colour)
        canvas = np.asarray(cv2.addWeighted(tint, 0.15, canvas, 0.85, 0), dtype=np.uint8)
        cv2.polylines(canvas, [outline], True, colour, max(1, round(2 * scale)), cv2.LINE_AA)
        x, y = np.rint(zone.polygon.points.mean(axis=0) * size).astype(int).tolist()
        draw_text(canvas, zone.name, x, y, scale, colour)
    _list(canvas, [_line(event) for event in going], scale)
    return canvas


def _line(event: Event) -> str:
    value = "" if event.value is None else f" {event.value:.3g} {event.unit}"
    who = " ".join(f"#{track.id}" for track in event.tracks)
    return f"{event.rule} {who}{value} p {event.probability:.2f}"


def _list(canvas: Image, lines: list[str], scale: float) -> None:
    y = 4
    for line in lines[:_MOST_LINES]:
        width, height, base = text_size(line, scale)
        cv2.rectangle(canvas, (2, y), (width + 10, y + height + base + 4), (0, 0, 0), -1)
        draw_text(canvas, line, 6, y + height + 2, scale, _ACTIVE)
        y += height + base + 6
