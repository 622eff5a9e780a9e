# SPDX-License-Identifier: Apache-2.0
"""Where a box is in an image, and how long ago something was, in words for people."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def part_of_image(bbox: Sequence[float]) -> str:
    """Return which ninth of an image the middle of a box is in.

    Args:
        bbox: x1, y1, x2, y2 as shares of the image.

    >>> part_of_image((0.0, 0.0, 0.2, 0.2)), part_of_image((0.4, 0.8, 0.6, 1.0))
    ('top left', 'bottom')
    """
    x, y = (bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    down = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    return " ".join(filter(None, (down, across))) or "middle"


def ago(seconds: float) -> str:
    """Return a time ago in its largest whole unit.

    >>> ago(0.2), ago(61), ago(7300)
    ('just now', '1 minute ago', '2 hours ago')
    """
    for length_s, name in _UNITS:
        if seconds >= length_s:
            count = int(seconds // length_s)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
