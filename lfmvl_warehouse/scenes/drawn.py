# SPDX-License-Identifier: Apache-2.0
"""One object of one frame as it is drawn: its truth in the image, and in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes import sprites
from lfmvl_warehouse.scenes.cast import Actor
from lfmvl_warehouse.scenes.rooms import Camera
from lfmvl_warehouse.scenes.scene import SceneObject, SolidBox
from lfmvl_warehouse.scenes.sprites import PlacedSprite, Sprite


@dataclass(frozen=True)
class Drawn:
    """An actor's sprite in the image. window and visible are as `sprites.clip_window` has them."""

    actor: Actor
    sprite: Sprite
    patch: PlacedSprite
    yaw: float  # that it is drawn with, 0: it faces the camera
    depth_m: float
    foot_x: float
    foot_y: float
    window: tuple[slice, slice, slice, slice]  # of the image, then of the patch
    visible: NDArray[Any]  # (h,w) uint8 mask within the window


def surface_depth(item: Drawn, camera: Camera) -> NDArray[Any]:
    """Depth (h,w) float32 of the surface of an object within its window, m."""
    foot = (item.foot_x, item.foot_y)
    scale = camera.focal_px / item.depth_m / item.sprite.px_per_m
    away = sprites.warp_relief(item.sprite, scale, foot, item.patch)
    away = away[item.window[2], item.window[3]]
    columns = np.arange(item.window[1].start, item.window[1].stop, dtype=np.float32) + 0.5
    surface_m: NDArray[Any] = np.maximum(_behind(away, columns, item, camera), 0.05)
    return surface_m.astype(np.float32)


def _behind(away: NDArray[Any], u: NDArray[Any], item: Drawn, camera: Camera) -> NDArray[Any]:
    """Depth of what is `away` behind the floor point along the ray to it, at image columns u.

    The ray is at an angle to the optical axis, and so is what lies across it.
    """
    slope = (item.foot_x - camera.centre_px) / camera.focal_px
    norm = np.float32(np.hypot(1.0, slope))
    across = (u - item.foot_x) * np.float32(item.depth_m / camera.focal_px)
    return np.float32(item.depth_m) + (away - across * np.float32(slope)) / norm


def solid_box(item: Drawn, camera: Camera) -> SolidBox:
    """The box around an object as it is drawn: around its corners, taken back to the world.

    Sprites are drawn with a perspective of their own, from 12 (people) or 5 degrees of directions:
    the true box is that of what the image and its depth show.
    """
    relief = item.sprite.relief
    assert relief is not None
    scale = camera.focal_px / item.depth_m / item.sprite.px_per_m
    u = item.foot_x + scale * (relief.corner_px[:, 0] - item.sprite.foot_px[0])
    v = item.foot_y + scale * (relief.corner_px[:, 1] - item.sprite.foot_px[1])
    points = camera.unproject(u, v, _behind(relief.corner_away_m, u, item, camera))
    azimuth = camera.yaw + np.arctan2(item.foot_x - camera.centre_px, camera.focal_px)
    c, s = np.cos(item.yaw - azimuth), np.sin(item.yaw - azimuth)
    axes = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    turned = points @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return SolidBox((low + high) / 2 @ axes, high - low, float(np.arctan2(s, c)))


def truth_of(item: Drawn, solid: SolidBox | None) -> SceneObject:
    """The truth about an object; solid: see `solid_box`."""
    x, y, w, h = cv2.boundingRect(item.visible)
    x, y = x + item.window[1].start, y + item.window[0].start
    box = np.array([x, y, x + w, y + h], float) if w else np.zeros(4)
    visibility = cv2.countNonZero(item.visible) / item.patch.area_px
    full, actor = item.patch.full_xyxy_px, item.actor
    who = (actor.id, actor.kind, actor.colour, actor.attributes)
    return SceneObject(*who, full, box, visibility, item.depth_m, solid)
