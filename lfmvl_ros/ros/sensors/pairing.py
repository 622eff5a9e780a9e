# SPDX-License-Identifier: Apache-2.0
"""Which depth image belongs to which image: by stamp, never by arrival. No ROS in here."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import Generic, TypeVar

from lfmvl_ros.core.intrinsics import Intrinsics

Item = TypeVar("Item")
MAX_ITEMS = 64
# Focal lengths and centres of one lens, rounded by different drivers, px.
_SAME_LENS_PX = 1.0
# Two frames of one sensor lie this close, whatever their axes.
_SAME_SENSOR_M = 0.005


@dataclass(frozen=True)
class StampMatch(Generic[Item]):
    """Result of the search for a stamp.

    Attributes:
        item: the nearest within the slop; None when there is none.
        final: a nearer item can't come any more: this one is exact, or a later one has come.
    """

    item: Item | None
    final: bool


class StampedBuffer(Generic[Item]):
    """The most recent items by stamp; bounded, and safe to use from several threads.

    >>> depth = StampedBuffer[str]()
    >>> depth.add(100, "a", keep_ns=1000)
    >>> depth.nearest(103, slop_ns=5)
    StampMatch(item='a', final=False)
    >>> depth.add(133, "b", keep_ns=1000)
    >>> depth.nearest(103, slop_ns=5)
    StampMatch(item='a', final=True)
    >>> depth.nearest(120, slop_ns=5)
    StampMatch(item=None, final=True)
    """

    def __init__(self) -> None:
        self._stamps_ns: list[int] = []
        self._items: list[Item] = []
        self._lock = threading.Lock()

    def add(self, stamp_ns: int, item: Item, keep_ns: int) -> None:
        """Keep an item, and forget those older than ``keep_ns`` before the newest."""
        with self._lock:
            i = bisect_left(self._stamps_ns, stamp_ns)
            if i < len(self._stamps_ns) and self._stamps_ns[i] == stamp_ns:
                self._items[i] = item
                return
            self._stamps_ns.insert(i, stamp_ns)
            self._items.insert(i, item)
            stale = bisect_left(self._stamps_ns, self._stamps_ns[-1] - keep_ns)
            stale = max(stale, len(self._items) - MAX_ITEMS)
            del self._stamps_ns[:stale], self._items[:stale]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._stamps_ns.clear()
            self._items.clear()

    def nearest(self, stamp_ns: int, slop_ns: int) -> StampMatch[Item]:
        """Return the item whose stamp is nearest, if it is at most ``slop_ns`` away."""
        with self._lock:
            i = bisect_left(self._stamps_ns, stamp_ns)
            final = i < len(self._stamps_ns)  # items come in order: none will lie in between
            near = [k for k in (i - 1, i) if 0 <= k < len(self._stamps_ns)]
            gaps = [(abs(self._stamps_ns[k] - stamp_ns), k) for k in near]
            if not gaps or min(gaps)[0] > slop_ns:
                return StampMatch(None, final)
            return StampMatch(self._items[min(gaps)[1]], final)


@dataclass(frozen=True)
class ImageGeometry:
    """One camera's image, as far as registration needs it.

    Attributes:
        frame_id: optical frame.
        wh: size in px.
        lens: None while no calibration is known.
    """

    frame_id: str
    wh: tuple[int, int]
    lens: Intrinsics | None


def registration_problem(
    color: ImageGeometry, depth: ImageGeometry, apart_m: float | None = None
) -> str:
    """Return why a depth image is not registered to the colour image; "" when it is.

    It is when sizes are equal and it has the color camera's frame or, where the driver gives it a
    frame of its own, the color camera's intrinsics and place.

    Args:
        color: the color image.
        depth: the depth image.
        apart_m: distance between the origins of their frames; None when it is not known.
    """
    remedy = "publish depth registered to color (aligned_depth, depth_registered)"
    if color.wh != depth.wh:
        (across, down), (width, height) = depth.wh, color.wh
        return f"depth is {across}x{down}, the color image {width}x{height}; {remedy}"
    lenses_known = color.lens is not None and depth.lens is not None
    if color.lens is not None and depth.lens is not None and not _same_lens(color.lens, depth.lens):
        return (
            f"depth/camera_info ({_text(depth.lens)}) differs from the color camera's "
            f"({_text(color.lens)}); {remedy}"
        )
    mine, other = color.frame_id.removeprefix("/"), depth.frame_id.removeprefix("/")
    if mine == other or not mine or not other:
        return ""
    if apart_m is not None and apart_m > _SAME_SENSOR_M:
        return f"depth is in frame {other!r}, {apart_m:.3f} m from {mine!r}; {remedy}"
    if lenses_known:
        return ""
    return (
        f"depth is in frame {other!r}, the color image in {mine!r}, and no depth/camera_info says "
        f"that their intrinsics are equal; {remedy}"
    )


def _same_lens(one: Intrinsics, two: Intrinsics) -> bool:
    pairs = (
        (one.fx_px, two.fx_px),
        (one.fy_px, two.fy_px),
        (one.cx_px, two.cx_px),
        (one.cy_px, two.cy_px),
    )
    return all(abs(a - b) <= _SAME_LENS_PX for a, b in pairs)


def _text(lens: Intrinsics) -> str:
    return f"fx {lens.fx_px:.1f}, fy {lens.fy_px:.1f}, cx {lens.cx_px:.1f}, cy {lens.cy_px:.1f} px"
