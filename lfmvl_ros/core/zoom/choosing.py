# SPDX-License-Identifier: Apache-2.0
"""Chooses the region that the next answer is about: what has waited longest, together.

Every track that is worth a closer look, and every part of the image in the sweep, waits for a
region that holds it. A region is worth the sum of their waiting times, so regions with many of them
come first; as waiting times grow without limit, every one of them gets its turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config_zoom import ZoomSettings
from lfmvl_ros.core.region import WELL_INSIDE_SHARE, Region
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking import Tracks, TrackState

CELLS = 6
"""The sweep divides width and height of the image by this."""
UNCERTAIN_EXISTENCE = 0.9
_OVERLAP = (
    1 / 3
)  # of neighbouring regions of the sweep, so that each object is whole in one of them
_LARGEST_SHARE = 1 - 2 * WELL_INSIDE_SHARE


@dataclass(frozen=True)
class Waiting:
    """Since when tracks and parts of the image wait, as numbers of regions chosen so far.

    Attributes:
        count: regions chosen.
        cells: for each cell of the sweep, row by row, ``count`` when a region last held it.
        tracks: the same by track id; a track without an entry has just come.
    """

    count: int = 0
    cells: tuple[int, ...] = (0,) * CELLS**2
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
    regions = _regions(tracks, wh, settings)
    if not regions:
        return None, waiting
    worth = worth_of(tracks, settings)
    ids = tracks.ids.tolist()
    newest = waiting.count
    age = np.array([newest + 1 - waiting.tracks.get(key, newest) for key in ids], np.float64)
    held = np.array([region.holds(tracks.xyxy_px) for region in regions]).reshape(len(regions), -1)
    value = held @ (worth * age)
    covered = np.array([_cells_in(region) for region in regions])
    if settings.sweep:
        # All cells of a region together wait like one track.
        unseen = newest + 1 - np.array(waiting.cells, np.float64)
        value = value + covered @ unseen / np.maximum(covered.sum(axis=1), 1)
    if not value.max() > 0:
        return None, waiting
    best = int(value.argmax())
    seen = {key: newest + 1 for key, inside in zip(ids, held[best].tolist(), strict=True) if inside}
    return regions[best], Waiting(
        newest + 1,
        tuple(np.where(covered[best], newest + 1, waiting.cells).tolist()),
        {key: seen.get(key, waiting.tracks.get(key, newest)) for key in ids},
    )


def worth_of(tracks: Tracks, settings: ZoomSettings) -> FloatArray:
    """Return how many reasons there are to look at each track closely, ``(N,)``.

    It is small; it may not exist; its label is one that was asked for.
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
    """Return overlapping regions that cover an image, row by row."""
    width, height = region_wh(wh, magnification)
    steps = max(2, math.ceil((magnification - _OVERLAP) / (1 - _OVERLAP)))
    lefts = np.linspace(0, wh[0] - width, steps).round().astype(int).tolist()
    tops = np.linspace(0, wh[1] - height, steps).round().astype(int).tolist()
    return [Region((x, y, x + width, y + height), wh) for y in tops for x in lefts]


def _regions(tracks: Tracks, wh: tuple[int, int], settings: ZoomSettings) -> list[Region]:
    """Those of the sweep, and one around each track that is worth it."""
    width, height = region_wh(wh, settings.magnification)
    found = sweep_of(wh, settings.magnification)
    boxes = tracks.xyxy_px[worth_of(tracks, settings) > 0]
    fits = (boxes[:, 2:] - boxes[:, :2] <= _LARGEST_SHARE * np.array([width, height])).all(axis=1)
    centre = (boxes[fits, :2] + boxes[fits, 2:]) / 2 - np.array([width, height]) / 2
    corners = np.clip(centre.round().astype(int), 0, np.array(wh) - [width, height])
    return found + [Region((x, y, x + width, y + height), wh) for x, y in corners.tolist()]


def _cells_in(region: Region) -> NDArray[np.bool_]:
    """Which cells of the sweep, ``(CELLS ** 2,)``, have their middle in a region."""
    middle = (np.arange(CELLS) + 0.5) / CELLS
    (x1, y1, x2, y2), (width, height) = region.xyxy_px, region.wh
    columns = (middle * width >= x1) & (middle * width < x2)
    rows = (middle * height >= y1) & (middle * height < y2)
    return np.asarray((rows[:, None] & columns[None]).ravel())
