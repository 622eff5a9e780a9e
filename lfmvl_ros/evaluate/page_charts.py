# SPDX-License-Identifier: Apache-2.0
"""Charts of the scorecard's page: shares with intervals, reliability, lines over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lfmvl_ros.evaluate.wording import counted

_WIDTH = 360

Figure = Mapping[str, Any]


def interval_chart(rows: Sequence[tuple[str, Figure | None, str]], title: str) -> str:
    """Return shares with their intervals, one row each; HTML, so that text keeps its size.

    Args:
        rows: name, figure of a scorecard (0 to 1; None leaves the row out), and a note.
        title: for those who don't see it.
    """
    shown = [(name, f, note) for name, f, note in rows if f is not None and f["value"] is not None]
    if not shown:
        return ""
    parts = []
    for name, found, note in shown:
        value = _percent(found["value"])
        low = value if found["low"] is None else _percent(found["low"])
        high = value if found["high"] is None else _percent(found["high"])
        parts.append(
            f'<div class="row"><span>{escape(name)} <span class="soft">{escape(note)}</span></span>'
            f'<span class="bar"><i class="band" style="left:{low:.1f}%;width:{high - low:.1f}%">'
            "</i>"
            f'<i class="dot" style="left:{value:.1f}%"></i></span><b>{found["value"]:.3f}</b></div>'
        )
    return f'<div class="rows" role="group" aria-label="{escape(title)}">{"".join(parts)}</div>'


def _percent(share: float) -> float:
    return 100 * min(max(share, 0.0), 1.0)


def reliability_chart(bins: Sequence[Mapping[str, float]], title: str) -> str:
    """Return confidence across, share that was right up; a dot's area goes with its boxes."""
    side, left, top = 290.0, 44.0, 22.0
    most = max((entry["boxes"] for entry in bins), default=1)
    bottom = top + side
    parts = [
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{left + side}" y2="{top}" '
        f'stroke-dasharray="5 5" style="stroke:var(--soft)"/>'
    ]
    for tenth in range(0, 11, 2):
        at = side * tenth / 10
        parts.append(
            f'<line class="axis" x1="{left}" x2="{left + side}" y1="{bottom - at}" '
            f'y2="{bottom - at}"/>'
            f'<text class="dim" x="{left - 8}" y="{bottom - at + 4}" text-anchor="end">'
            f"{tenth / 10:.1f}</text>"
            f'<text class="dim" x="{left + at}" y="{bottom + 18}" text-anchor="middle">'
            f"{tenth / 10:.1f}</text>"
        )
    points = []
    for entry in bins:
        x, y = left + side * entry["confidence"], bottom - side * entry["right"]
        radius = 3 + 8 * (entry["boxes"] / most) ** 0.5
        points.append(f"{x:.1f},{y:.1f}")
        parts.append(
            f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" opacity="0.8">'
            f"<title>{counted(int(entry['boxes']), 'box', 'boxes')}: "
            f"confidence {entry['confidence']:.2f}, right {entry['right']:.2f}</title></circle>"
        )
    parts.append(f'<polyline class="line" points="{" ".join(points)}"/>')
    parts.append(
        f'<text x="{left + side / 2}" y="{bottom + 36}" text-anchor="middle">confidence</text>'
        f'<text x="4" y="{top - 10}">share that was right</text>'
    )
    return _svg(bottom + 46, title, parts)


def time_chart(
    points: Sequence[tuple[float, float]], unit: str, title: str, *, from_zero: bool = True
) -> str:
    """Return a line over seconds."""
    if len(points) < 2:
        return ""
    left, top, width, height = 44.0, 12.0, 306.0, 110.0
    end = points[-1][0] or 1.0
    values = [value for _, value in points]
    low = 0.0 if from_zero else min(values)
    high = max(values)
    extent = (high - low) or 1.0
    path = " ".join(
        f"{left + width * at / end:.1f},{top + height * (1 - (value - low) / extent):.1f}"
        for at, value in points
    )
    parts = [
        f'<line class="axis" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>'
        for y in (top, top + height)
    ]
    parts += [
        f'<polyline class="line" stroke-width="2" points="{path}"/>',
        *(
            f'<text class="dim" x="{left - 8}" y="{y + 4}" text-anchor="end">{value:.3g}</text>'
            for y, value in ((top, high), (top + height, low))
        ),
        f'<text class="dim" x="{left + width}" y="{top + height + 18}" text-anchor="end">'
        f"{end:.0f} s</text>",
        f'<text x="{left}" y="{top + height + 18}">{escape(unit)}</text>',
    ]
    return _svg(top + height + 26, title, parts)


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
