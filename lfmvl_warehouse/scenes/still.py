# SPDX-License-Identifier: Apache-2.0
"""Single images for training and evaluation: fast, varied, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes import sprites
from lfmvl_warehouse.scenes.options import STANDARD, SceneOptions
from lfmvl_warehouse.scenes.rooms import Camera, Room
from lfmvl_warehouse.scenes.scene import RenderedScene, SceneObject
from lfmvl_warehouse.scenes.sensor import apply_sensor, sample_sensor
from lfmvl_warehouse.scenes.sprites import PlacedSprite, Sprite
from lfmvl_warehouse.scenes.vocabulary import KIND_SPECS, KINDS

_BACKDROPS = 96
_VIEWS_PER_ROOM = 4
WH_MIN, WH_MAX = (64, 64), (4096, 4096)


@dataclass(frozen=True)
class _Backdrop:
    pixels: NDArray[Any]
    inverse_depth: NDArray[Any]
    camera: Camera
    wall_row: NDArray[Any]  # (W,) image row where the wall meets the floor, per column


@dataclass(frozen=True)
class _Placed:
    sprite: Sprite
    patch: PlacedSprite
    foot_y: float
    visible_xyxy_px: NDArray[Any]
    visible: NDArray[Any]  # (h,w) uint8 mask within the patch's window
    visibility: float
    gain: NDArray[Any]


@lru_cache(maxsize=8)
def _room(index: int) -> Room:
    rng = np.random.default_rng((21, index))
    return Room(
        index, float(rng.uniform(8, 16)), float(rng.uniform(16, 36)), float(rng.uniform(4.5, 8))
    )


@lru_cache(maxsize=2 * _BACKDROPS)
def _backdrop(index: int, size_px: int) -> _Backdrop:
    """View `index` of the pool, (size, size), drawn at twice the size against aliasing."""
    room = _room(index // _VIEWS_PER_ROOM)
    rng = np.random.default_rng((22, index))
    big = 2 * size_px
    position = (
        float(rng.uniform(0.25, 0.75) * room.width_m),
        float(rng.uniform(0.1, 0.5) * room.length_m),
        float(np.exp(rng.uniform(np.log(0.5), np.log(3.2)))),
    )
    camera = Camera(
        float(big * rng.uniform(0.7, 1.1)),
        big / 2,
        float(big * rng.uniform(0.22, 0.5)),
        position,
        float(rng.normal(0, 0.35)),
    )
    pixels, depth = room.render(camera, (big, big))
    pixels = cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
    half = Camera(
        camera.focal_px / 2, camera.centre_px / 2, camera.horizon_px / 2, position, camera.yaw
    )
    walls = 1 / depth[round(camera.horizon_px), ::2]  # at the horizon only walls are near
    return _Backdrop(
        pixels,
        np.ascontiguousarray(1 / depth[::2, ::2]),
        half,
        half.horizon_px + half.focal_px * position[2] * walls,
    )


def _take_backdrop(rng: np.random.Generator, wh: tuple[int, int]) -> _Backdrop:
    """A crop of a pool view, mirrored half of the time, scaled to wh; its camera follows."""
    size = _backdrop_px(wh)
    source = _backdrop(int(rng.integers(_BACKDROPS)), size)
    zoom = rng.uniform(0.6, 1.0) * min(size / wh[0], size / wh[1])
    w, h = max(2, int(wh[0] * zoom)), max(2, int(wh[1] * zoom))
    x = int(rng.integers(0, size - w + 1))
    horizon = source.camera.horizon_px
    farthest = float(source.wall_row[x : x + w].min())
    low, high = int(max(0, farthest - 0.55 * h)), int(min(size - h, farthest + 0.05 * h))
    y = min(low, size - h) if high <= low else int(rng.integers(low, high + 1))
    mirrored = rng.random() < 0.5
    pixels, inverse = (
        source.pixels[y : y + h, x : x + w],
        source.inverse_depth[y : y + h, x : x + w],
    )
    wall_row = source.wall_row[x : x + w]
    if mirrored:
        pixels, inverse, wall_row = cv2.flip(pixels, 1), cv2.flip(inverse, 1), wall_row[::-1]
    pixels = cv2.resize(pixels, wh, interpolation=cv2.INTER_LINEAR)
    inverse = cv2.resize(inverse, wh, interpolation=cv2.INTER_LINEAR)
    k = wh[1] / h
    columns = (np.arange(wh[0]) * (w / wh[0])).astype(int)
    wall_row = (wall_row[columns] - y) * k
    camera = Camera(
        source.camera.focal_px * k, wh[0] / 2, (horizon - y) * k, source.camera.position
    )
    return _Backdrop(pixels, inverse, camera, wall_row)


@dataclass(frozen=True)
class _Wanted:
    """An object to place: which sprite, how large, how far down."""

    kind: str
    variant: int
    size_px: float
    foot_y: float
    flip: bool
    roll: float
    truncated: float
    gain: NDArray[Any]


def _want(
    rng: np.random.Generator,
    kind: str,
    wh: tuple[int, int],
    backdrop: _Backdrop,
    options: SceneOptions,
) -> _Wanted:
    camera = backdrop.camera
    low, high = options.size
    first, count = options.appearances or (0, sprites.POOL_VARIANTS)
    spec = KIND_SPECS.get(kind)
    metres = float(np.sqrt(spec.width_m * spec.height_m)) if spec else 0.8
    high = max(low, high * min(1.0, metres**0.35))  # small things are seldom seen large
    fraction = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    size_px = fraction * float(np.sqrt(wh[0] * wh[1]))
    foot_y = camera.horizon_px + camera.position[2] * size_px / metres * float(
        np.exp(rng.normal(0, 0.25))
    )
    top = min(max(float(backdrop.wall_row.min()) + 0.01 * wh[1], 0.12 * wh[1]), 0.9 * wh[1])
    if not top < foot_y < 0.98 * wh[1]:
        foot_y = float(rng.uniform(top + 0.2 * (wh[1] - top), wh[1] * 0.97))
    truncated = options.truncation if rng.random() < options.truncation_probability else 0.0
    gain = np.clip(np.exp(rng.normal(0, 0.06)) * (1 + rng.normal(0, 0.02, 3)), 0.75, 1.12)
    return _Wanted(
        kind,
        first + int(rng.integers(count)),
        size_px,
        foot_y,
        bool(rng.random() < 0.5),
        float(rng.normal(0, 0.02)),
        truncated,
        gain,
    )


def _place(
    rng: np.random.Generator,
    want: _Wanted,
    wh: tuple[int, int],
    backdrop: _Backdrop,
    taken: NDArray[Any],
    options: SceneOptions,
) -> _Placed | None:
    """Finds a column where the object is visible enough, or gives up; marks its pixels as taken."""
    camera = backdrop.camera
    pitch = np.degrees(np.arctan((want.foot_y - camera.horizon_px) / camera.focal_px))
    nearest = int(np.argmin([abs(pitch - p) for p in sprites.PITCHES_DEG]))
    sprite = sprites.pooled_sprite(want.kind, nearest, want.variant, _sprite_px(wh))
    sh, sw = sprite.levels[0].shape[:2]
    room = 1 / (1 - 0.5 * want.truncated)
    scale = min(want.size_px / np.sqrt(sw * sh), 0.96 * room * wh[0] / sw, 0.96 * room * wh[1] / sh)
    patch = sprites.warp(
        sprite, float(scale), (sw * float(scale), want.foot_y), flip=want.flip, roll=want.roll
    )
    if patch is None:
        return None
    h, w = patch.mask.shape
    ty = want.truncated * h
    y = int(np.clip(patch.y, -ty, max(wh[1] - h + ty, -ty)))
    for _ in range(10):
        x = int(
            rng.uniform(
                -want.truncated * w, max(wh[0] - w + want.truncated * w, 1 - want.truncated * w)
            )
        )
        if backdrop.wall_row[int(np.clip(x + w / 2, 0, wh[0] - 1))] > want.foot_y:
            continue  # it would stand in the wall
        here = patch.moved(x, y)
        window = sprites.clip_window(here, wh)
        if window is None:
            continue
        rows, columns, patch_rows, patch_columns = window
        mask = here.mask[patch_rows, patch_columns]
        visible = cv2.bitwise_and(mask, cv2.bitwise_not(taken[rows, columns]))
        inside, count = cv2.countNonZero(mask), cv2.countNonZero(visible)
        if count < max(6, (1 - options.max_occlusion) * inside):
            continue
        taken[rows, columns] |= mask
        bx, by, bw, bh = cv2.boundingRect(visible)
        bx, by = bx + columns.start, by + rows.start
        box = np.array([bx, by, bx + bw, by + bh], float)
        return _Placed(sprite, here, want.foot_y, box, visible, count / here.area_px, want.gain)
    return None


def _arrange(
    rng: np.random.Generator, wh: tuple[int, int], backdrop: _Backdrop, options: SceneOptions
) -> list[_Placed]:
    """Objects and look-alikes, nearest first; each later one lies behind those before it."""
    count = int(rng.integers(options.objects[0], options.objects[1] + 1))
    names = [options.kinds[int(rng.integers(len(options.kinds)))] for _ in range(count)]
    names += [sprites.DISTRACTOR] * int(rng.integers(options.distractors + 1))
    wanted = sorted((_want(rng, k, wh, backdrop, options) for k in names), key=lambda w: -w.foot_y)
    taken = np.zeros((wh[1], wh[0]), np.uint8)
    placed = (_place(rng, want, wh, backdrop, taken, options) for want in wanted)
    return [p for p in placed if p is not None]


def _floor_depth(camera: Camera, foot_y: float) -> float:
    return camera.position[2] * camera.focal_px / max(foot_y - camera.horizon_px, 1.0)


def preload(wh: tuple[int, int] = (256, 256), kinds: tuple[str, ...] = KINDS) -> None:
    """Draws the whole pool for this image size now (half a minute), not on first use.

    Worthwhile before forking workers: they then share the pool instead of drawing it each.
    """
    for index in range(_BACKDROPS):
        _backdrop(index, _backdrop_px(wh))
    for kind in (*kinds, sprites.DISTRACTOR):
        for pitch in range(len(sprites.PITCHES_DEG)):
            for variant in range(sprites.POOL_VARIANTS):
                sprites.pooled_sprite(kind, pitch, variant, _sprite_px(wh))


def _backdrop_px(wh: tuple[int, int]) -> int:
    return 512 if max(wh) <= 800 else 1024


def _sprite_px(wh: tuple[int, int]) -> int:
    return 192 if max(wh) <= 400 else 384


def render_still(
    rng: np.random.Generator, *, wh: tuple[int, int] = (256, 256), options: SceneOptions = STANDARD
) -> RenderedScene:
    """One image of a warehouse with its truth; the same generator state gives the same pixels.

    wh: width and height, 64..4096 px. Objects are listed nearest first and numbered from 1. Raises
    ValueError for a size out of range.
    """
    if not (WH_MIN[0] <= wh[0] <= WH_MAX[0] and WH_MIN[1] <= wh[1] <= WH_MAX[1]):
        raise ValueError(
            f"wh must be within {WH_MIN} and {WH_MAX}, got {wh}; choose another image size"
        )
    backdrop = _take_backdrop(rng, wh)
    pixels, camera = backdrop.pixels, backdrop.camera
    placed = _arrange(rng, wh, backdrop, options)
    sensor = sample_sensor(rng, options)
    strength, lean = float(rng.uniform(0.35, 0.75)), float(rng.uniform(-1, 1))
    inverse = backdrop.inverse_depth
    for item in reversed(placed) if options.shadows else ():
        slope = max(item.foot_y - camera.horizon_px, 4) / camera.focal_px
        sprites.cast_shadow(pixels, item.patch, slope, strength, lean)
    objects: list[SceneObject] = []
    for item in reversed(placed):
        sprites.blend(pixels, item.patch, item.gain)
    for item in placed:
        depth = _floor_depth(camera, item.foot_y)
        window = sprites.clip_window(item.patch, wh)
        if window is not None:
            inverse[window[0], window[1]][item.visible > 0] = 1 / depth
        if item.sprite.kind != sprites.DISTRACTOR:
            objects.append(
                SceneObject(
                    len(objects) + 1,
                    item.sprite.kind,
                    item.sprite.colour,
                    item.sprite.attributes,
                    item.patch.full_xyxy_px,
                    item.visible_xyxy_px,
                    item.visibility,
                    depth,
                )
            )
    return RenderedScene(apply_sensor(pixels, sensor, rng), tuple(objects), 1 / inverse)
