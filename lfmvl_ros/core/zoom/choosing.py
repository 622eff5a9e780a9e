# SPDX-License-Identifier: Apache-2.0
"""Chooses the region that the next answer is about: the one with the largest sum of waiting times.

Every track that is worth a closer look, and every part of the image in the sweep, waits for a
region that holds it. A region is worth the sum of their waiting times, so regions with many of them
come first; as waiting times grow without limit, every one of them gets its turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config_zoom import ZoomSettings
from lfmvl_ros.core.region import WELL_INSIDE_SHARE, Region
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking import Tracks, TrackState

UNCERTAIN_EXISTENCE = 0.9
# Of neighbouring regions of the sweep, so that each object is whole in one of them.
_OVERLAP = 1 / 3
_LARGEST_SHARE = 1 - 2 * WELL_INSIDE_SHARE


@dataclass(frozen=True)
class Waiting:
    """Since when tracks and parts of the image wait, as numbers of regions chosen so far.

    Attributes:
        count: regions chosen.
        parts: ``count`` just after a region of the sweep was last chosen, by its ``xyxy_px``; 0
            without an entry.
        tracks: ``count`` just after a region last held a track, by id; a track without an entry has
            just come.
    """

    count: int = 0
    parts: Mapping[tuple[int, int, int, int], int] = field(default_factory=dict)
    tracks: Mapping[int, int] = field(default_factory=dict)


def choose_region(
    waiting: Waiting, tracks: Tracks, wh: tuple[int, int], settings: ZoomSettings
) -> tuple[Region | None, Waiting]:
    """Choose the region of the next answer.

    Args:
        waiting: up to now.
        tracks: at the frame that it is about.
        wh: (width, height) of the frame, pixels.
        settings: of zoom.

    Returns:
        The region, None where nothing is worth a closer look; and what waits after it.
    """
    if tracks.wh != wh:  # there are none yet, or they end with the next answer
        tracks = Tracks(tracks.stamp_ns, wh=wh)
    sweep, now = sweep_of(wh, settings.magnification), waiting.count
    worth = worth_of(tracks, settings)
    regions = sweep + _around(tracks.xyxy_px[worth > 0], wh, settings.magnification)
    ids = tracks.ids.tolist()
    age = np.array([now + 1 - waiting.tracks.get(key, now) for key in ids], np.float64)
    held = np.array([each.holds(tracks.xyxy_px) for each in regions]).reshape(len(regions), -1)
    value = held @ (worth * age)
    if settings.sweep:
        value[: len(sweep)] += [now + 1 - waiting.parts.get(each.xyxy_px, 0) for each in sweep]
    if not value.max() > 0:
        return None, waiting
    best = int(value.argmax())
    fresh = {key for key, inside in zip(ids, held[best].tolist(), strict=True) if inside}
    parts = {each.xyxy_px: waiting.parts.get(each.xyxy_px, 0) for each in sweep}
    if best < len(sweep):
        parts[sweep[best].xyxy_px] = now + 1
    return regions[best], Waiting(
        now + 1,
        parts,
        {key: now + 1 if key in fresh else waiting.tracks.get(key, now) for key in ids},
    )


def worth_of(tracks: Tracks, settings: ZoomSettings) -> FloatArray:
    """Return how many reasons there are to look at each track closely, ``(N,)``.

    It is small; it may not exist; its label is one of ``settings.labels``.
    """
    area = np.prod(tracks.xyxy_px[:, 2:] - tracks.xyxy_px[:, :2], axis=1)
    small = area < settings.small * tracks.wh[0] * tracks.wh[1]
    existence = np.array([tracks.existence.get(key, 1.0) for key in tracks.ids.tolist()])
    confirmed = np.array([state is TrackState.CONFIRMED for state in tracks.state], np.bool_)
    asked = {fold_label(label) for label in settings.labels} - {""}
    named = np.array([fold_label(label) in asked for label in tracks.labels], np.bool_)
    doubtful = ~confirmed | (existence < UNCERTAIN_EXISTENCE)
    return np.asarray(small.astype(np.float64) + doubtful + named)


def region_wh(wh: tuple[int, int], magnification: float) -> tuple[int, int]:
    """Return (width, height) of regions, pixels: of the image's shape, at least one pixel."""
    return max(1, round(wh[0] / magnification)), max(1, round(wh[1] / magnification))


def sweep_of(wh: tuple[int, int], magnification: float) -> list[Region]:
    """Return overlapping regions that cover an image, row by row, each once."""
    width, height = region_wh(wh, magnification)
    steps = max(2, math.ceil((magnification - _OVERLAP) / (1 - _OVERLAP)))
    lefts = np.linspace(0, wh[0] - width, steps).round().astype(int).tolist()
    tops = np.linspace(0, wh[1] - height, steps).round().astype(int).tolist()
    lefts, tops = list(dict.fromkeys(lefts)), list(dict.fromkeys(tops))  # of a few pixels only
    return [Region((x, y, x + width, y + height), wh) for y in tops for x in lefts]


def _around(boxes: FloatArray, wh: tuple[int, int], magnification: float) -> list[Region]:
    """Return a region around each box ``(N, 4)`` that fits into one, as far as the image goes."""
    size = np.array(region_wh(wh, magnification))
    fits = (boxes[:, 2:] - boxes[:, :2] <= _LARGEST_SHARE * size).all(axis=1)
    corners = ((boxes[fits, :2] + boxes[fits, 2:] - size) / 2).round().astype(int)
    corners = np.clip(corners, 0, np.array(wh) - size)
    return [Region((*corner.tolist(), *(corner + size).tolist()), wh) for corner in corners]
