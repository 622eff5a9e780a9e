# SPDX-License-Identifier: Apache-2.0
"""Objects drawn once, kept, and warped into images.

A sprite is a premultiplied RGBA image with mip levels; placing it costs one affine warp and one
blend. Sprites are drawn on first use, each from its own seed, so a pool is the same in every
process and on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes import containers, goods, machines, people, safety
from lfmvl_warehouse.scenes.mesh import Mesh
from lfmvl_warehouse.scenes.solids import Relief, draw
from lfmvl_warehouse.scenes.vocabulary import sample_attributes, sample_colour

ALPHA_MIN = 96  # an object's silhouette: where at least this much of 255 covers the pixel
PITCHES_DEG = (5.0, 13.0, 24.0, 38.0)
POOL_VARIANTS = 40  # looks per kind and pitch, unless the options name others
DISTRACTOR = "distractor"
_BUILDERS: dict[str, Callable[[np.random.Generator, str], Mesh]] = {
    "tote": containers.tote,
    "crate": containers.crate,
    "forklift": machines.forklift,
    "traffic cone": safety.traffic_cone,
    "barrel": goods.barrel,
    "hand truck": machines.hand_truck,
    "bag": goods.bag,
    "tape roll": goods.tape_roll,
    "fire extinguisher": safety.fire_extinguisher,
    "robot": machines.robot,
    "shelf": goods.shelf,
}
_BUILDERS_WITH_ATTRIBUTES = {
    "cardboard box": containers.cardboard_box,
    "pallet": containers.pallet,
}


@dataclass(frozen=True)
class Sprite:
    """levels: premultiplied RGBA (h,w,4) uint8, each half the one before; the rest at level 0.

    relief: how far its parts are behind the floor point; None where it was not asked for.
    """

    kind: str
    colour: str
    attributes: tuple[str, ...]
    levels: tuple[NDArray[Any], ...]
    px_per_m: float
    foot_px: tuple[float, float]
    relief: Relief | None = None


@dataclass(frozen=True)
class PlacedSprite:
    """A sprite warped to its place: rgba cropped to its silhouette's tight box at (x, y)."""

    rgba: NDArray[Any]
    mask: NDArray[Any]  # (h,w) uint8 0/255
    x: int
    y: int
    area_px: int

    @property
    def full_xyxy_px(self) -> NDArray[Any]:
        """Tight box of the silhouette, possibly beyond the image."""
        h, w = self.mask.shape
        return np.array([self.x, self.y, self.x + w, self.y + h], float)

    def moved(self, x: int, y: int) -> PlacedSprite:
        """The same patch elsewhere."""
        return PlacedSprite(self.rgba, self.mask, x, y, self.area_px)


def build_mesh(
    kind: str, colour: str, attributes: tuple[str, ...], seed: int, phase: float = 0.0
) -> Mesh:
    """The solid of one object; phase is the walking phase of a person (radians)."""
    rng = np.random.default_rng((zlib.crc32(kind.encode()), seed))
    if kind == DISTRACTOR:
        return safety.distractor(rng)
    if kind == "person":
        return people.person(rng, colour, attributes, phase)
    if kind in _BUILDERS_WITH_ATTRIBUTES:
        return _BUILDERS_WITH_ATTRIBUTES[kind](rng, colour, attributes)
    return _BUILDERS[kind](rng, colour)


def make_sprite(
    mesh: Mesh,
    kind: str,
    colour: str,
    attributes: tuple[str, ...],
    *,
    yaw: float,
    pitch: float,
    size_px: int,
    relief: bool = False,
) -> Sprite:
    """Draws a mesh and its mip levels."""
    render = draw(mesh, yaw=yaw, pitch=pitch, size_px=size_px, relief=relief)
    levels = [np.ascontiguousarray(render.rgba)]
    while min(levels[-1].shape[:2]) >= 16:
        h, w = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA))
    return Sprite(
        kind, colour, attributes, tuple(levels), render.px_per_m, render.foot_px, render.relief
    )


@lru_cache(maxsize=16384)
def pooled_sprite(kind: str, pitch_index: int, variant: int, size_px: int) -> Sprite:
    """Sprite `variant` of a kind, from PITCHES_DEG[pitch_index]; its look follows from these."""
    rng = np.random.default_rng((77, zlib.crc32(kind.encode()), pitch_index, variant))
    known = kind != DISTRACTOR
    colour = sample_colour(rng, kind) if known else "grey"
    attributes = sample_attributes(rng, kind) if known else ()
    seed = int(rng.integers(2**31))
    phase = float(rng.uniform(0, 2 * np.pi)) if kind == "person" and rng.random() < 0.5 else 0.0
    yaw = float(rng.uniform(-np.pi, np.pi))
    pitch = float(np.radians(PITCHES_DEG[pitch_index] + rng.uniform(-4, 5)))
    mesh = build_mesh(kind, colour, attributes, seed, phase)
    return make_sprite(mesh, kind, colour, attributes, yaw=yaw, pitch=pitch, size_px=size_px)


def warp(
    sprite: Sprite,
    scale: float,
    foot: tuple[float, float],
    *,
    flip: bool = False,
    roll: float = 0.0,
) -> PlacedSprite | None:
    """Puts a sprite's floor point at `foot` (px), scaled from level 0 and rolled (radians).

    Returns None where nothing of it reaches ALPHA_MIN.
    """
    level = int(np.clip(np.floor(-np.log2(max(scale, 1e-6))), 0, len(sprite.levels) - 1))
    image = sprite.levels[level]
    full_h, full_w = sprite.levels[0].shape[:2]
    h, w = image.shape[:2]
    sx, sy = scale * full_w / w, scale * full_h / h
    fx, fy = sprite.foot_px[0] * w / full_w, sprite.foot_px[1] * h / full_h
    c, s = np.cos(roll), np.sin(roll)
    linear = np.array([[c * sx, -s * sy], [s * sx, c * sy]])
    if flip:
        linear[:, 0] *= -1
    corners = linear @ np.array([[-fx, w - fx, -fx, w - fx], [-fy, -fy, h - fy, h - fy]])
    low = corners.min(1) + foot
    high = corners.max(1) + foot
    x, y = int(np.floor(low[0])), int(np.floor(low[1]))
    size = (max(2, int(np.ceil(high[0])) - x), max(2, int(np.ceil(high[1])) - y))
    offset = np.asarray(foot) - (x, y) - linear @ (fx, fy)
    rgba = cv2.warpAffine(image, np.column_stack([linear, offset]), size, flags=cv2.INTER_LINEAR)
    mask = cv2.inRange(cv2.extractChannel(rgba, 3), ALPHA_MIN, 255)
    bx, by, bw, bh = cv2.boundingRect(mask)
    if bw == 0:
        return None
    mask = np.ascontiguousarray(mask[by : by + bh, bx : bx + bw])
    return PlacedSprite(
        np.ascontiguousarray(rgba[by : by + bh, bx : bx + bw]),
        mask,
        x + bx,
        y + by,
        cv2.countNonZero(mask),
    )


def warp_relief(
    sprite: Sprite, scale: float, foot: tuple[float, float], patch: PlacedSprite
) -> NDArray[Any]:
    """How far the pixels of a patch (h,w) are behind the sprite's floor point, m, float32.

    scale, foot: those that the patch was warped with, without flip and roll.
    """
    assert sprite.relief is not None, "the sprite was drawn without relief"
    away = sprite.relief.away_m.astype(np.float32)
    full_h, full_w = sprite.levels[0].shape[:2]
    h, w = away.shape
    sx, sy = scale * full_w / w, scale * full_h / h
    fx, fy = sprite.foot_px[0] * w / full_w, sprite.foot_px[1] * h / full_h
    matrix = np.array([[sx, 0, foot[0] - patch.x - sx * fx], [0, sy, foot[1] - patch.y - sy * fy]])
    size = (patch.mask.shape[1], patch.mask.shape[0])
    return cv2.warpAffine(
        away, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def clip_window(
    patch: PlacedSprite, wh: tuple[int, int]
) -> tuple[slice, slice, slice, slice] | None:
    """Rows, columns of the image, then of the patch, where they overlap; None where not."""
    h, w = patch.mask.shape
    x0, y0, x1, y1 = (
        max(patch.x, 0),
        max(patch.y, 0),
        min(patch.x + w, wh[0]),
        min(patch.y + h, wh[1]),
    )
    if x1 <= x0 or y1 <= y0:
        return None
    return (
        slice(y0, y1),
        slice(x0, x1),
        slice(y0 - patch.y, y1 - patch.y),
        slice(x0 - patch.x, x1 - patch.x),
    )


def blend(pixels: NDArray[Any], patch: PlacedSprite, gain: NDArray[Any] | None = None) -> None:
    """Draws a patch over the image (H,W,3) in place; gain (3,) multiplies its colours."""
    window = clip_window(patch, (pixels.shape[1], pixels.shape[0]))
    if window is None:
        return
    rows, columns, patch_rows, patch_columns = window
    source = patch.rgba[patch_rows, patch_columns]
    target = pixels[rows, columns]
    rgb = cv2.cvtColor(source, cv2.COLOR_RGBA2RGB)
    if gain is not None:
        factors = np.array([*gain, 0.0])  # one per channel, which OpenCV takes as a scalar
        rgb = cv2.multiply(rgb, factors)
    clear = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(source, 3)), cv2.COLOR_GRAY2RGB)
    pixels[rows, columns] = cv2.add(
        cv2.multiply(np.ascontiguousarray(target), clear, scale=1 / 255.0), rgb
    )


@lru_cache(maxsize=4)
def _blob(size: int = 64) -> NDArray[Any]:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    radius = np.sqrt(axis[None] ** 2 + axis[:, None] ** 2)
    return np.asarray(np.clip(1.25 - 1.25 * radius, 0, 1) ** 1.2)


def cast_shadow(
    pixels: NDArray[Any], patch: PlacedSprite, slope: float, strength: float, lean: float
) -> None:
    """Darkens the floor at a patch: a contact blob and the silhouette laid down behind the object.

    slope: rise of the floor in the image per metre of depth over height (how steeply the camera
    looks down); strength 0..1; lean -1..1: to which side the silhouette falls.
    """
    h, w = patch.mask.shape
    flat = float(np.clip(slope, 0.08, 0.6))
    blob_h = int(max(0.9 * w * flat, 0.06 * w, 3)) + 2
    blob_w = int(w * 1.25) + 2
    _darken(
        pixels,
        cv2.resize(_blob(), (blob_w, blob_h)),
        int(patch.x + w / 2 - blob_w / 2),
        int(patch.y + h - blob_h * 0.72),
        strength,
    )
    k = 4 if min(w, h) >= 32 else 2  # drawn small and scaled up: soft edges for nothing
    sw, sh = max(1, w // k), max(1, h // k)
    small = cv2.resize(patch.mask, (sw, sh), interpolation=cv2.INTER_AREA)
    lift, side = 0.75 * flat, 0.55 * lean
    reach = int(abs(side) * sh) + 1
    out_w, out_h = sw + reach + 4, max(3, int(lift * sh) + 4)
    left = reach if side < 0 else 0
    matrix = np.array([[1, -side, side * sh + left + 2], [0, lift, out_h - 2 - lift * sh]])
    laid = cv2.GaussianBlur(cv2.warpAffine(small, matrix, (out_w, out_h)), (3, 3), 0)
    laid = cv2.resize(laid, (out_w * k, out_h * k), interpolation=cv2.INTER_LINEAR)
    fade = (np.linspace(0.35, 1.0, laid.shape[0], dtype=np.float32) / 255.0)[:, None]
    _darken(
        pixels,
        laid * fade,
        patch.x - (left + 2) * k,
        patch.y + h - (out_h - 2) * k,
        0.75 * strength,
    )


def _darken(pixels: NDArray[Any], shade: NDArray[Any], x: int, y: int, strength: float) -> None:
    window = clip_window(PlacedSprite(shade, shade, x, y, 0), (pixels.shape[1], pixels.shape[0]))
    if window is None:
        return
    rows, columns, shade_rows, shade_columns = window
    keep = cv2.convertScaleAbs(
        shade[shade_rows, shade_columns], alpha=-255.0 * strength, beta=255.0
    )
    target = np.ascontiguousarray(pixels[rows, columns])
    pixels[rows, columns] = cv2.multiply(
        target, cv2.cvtColor(keep, cv2.COLOR_GRAY2RGB), scale=1 / 255.0
    )
