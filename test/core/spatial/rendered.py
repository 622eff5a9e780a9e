# SPDX-License-Identifier: Apache-2.0
"""Depth images of a box before a wall, exact, for the tests of places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.tracking import Intrinsics, Tracks, TrackState

WH = (160, 120)
LENS = Intrinsics(150.0, 150.0, 79.5, 59.5)


class Rendered(NamedTuple):
    depth_m: np.ndarray
    box: np.ndarray
    centre_m: np.ndarray
    size_m: np.ndarray


def block(
    seed: int = 0,
    *,
    distance_m: float = 1.5,
    side_m: float = 0.4,
    wall_m: float = 3.0,
    noise: float = 0.002,
    missing: float = 0.05,
) -> Rendered:
    """Return a cube that faces the camera, a little off the axis, before a wall."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.1, 0.1, 2) * distance_m
    centre = np.array([x, y, distance_m + side_m / 2])
    u, v = np.meshgrid(np.arange(WH[0]), np.arange(WH[1]))
    at_x = (u - LENS.cx_px) / LENS.fx_px * distance_m - x
    at_y = (v - LENS.cy_px) / LENS.fy_px * distance_m - y
    face = (np.abs(at_x) < side_m / 2) & (np.abs(at_y) < side_m / 2)
    depth = np.where(face, distance_m, wall_m)
    depth = depth * (1 + noise * rng.normal(size=depth.shape))
    depth[rng.random(depth.shape) < missing] = np.nan
    rows, columns = np.nonzero(face)
    tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1.0])
    sides = np.tile(tight[2:] - tight[:2], 2)
    box = tight + rng.uniform(-0.06, 0.06, 4) * sides
    return Rendered(depth.astype(np.float32), box, centre, np.full(3, side_m))


def tracks_of(boxes: np.ndarray, stamp_ns: int, *, label: str = "box", first: int = 1) -> Tracks:
    """Return tracks with ids from ``first``."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    count = len(boxes)
    return Tracks(
        stamp_ns,
        np.arange(first, first + count, dtype=np.int64),
        (label,) * count,
        np.ones(count),
        boxes,
        np.zeros((count, 2)),
        np.tile(np.eye(4), (count, 1, 1)),
        (TrackState.CONFIRMED,) * count,
        np.zeros(count),
        frame_id="camera",
        wh=WH,
    )


def image_of(made: Rendered, stamp_ns: int) -> DepthImage:
    return DepthImage(made.depth_m, stamp_ns, "camera")
