# SPDX-License-Identifier: Apache-2.0
"""Small procedural textures. Grey ones multiply a colour (128 = unchanged), RGB ones are prints."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def smooth_noise(
    rng: np.random.Generator, wh: tuple[int, int], cell_px: int, amplitude: float
) -> NDArray[Any]:
    """Float32 (H,W) of zero-mean noise whose blobs are about cell_px wide."""
    w, h = wh
    coarse = rng.normal(0, amplitude, (max(2, h // cell_px), max(2, w // cell_px))).astype(
        np.float32
    )
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC))


def _to_uint8(texture: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.clip(texture, 0, 255).astype(np.uint8))


@lru_cache(maxsize=64)
def cardboard(variant: int) -> NDArray[Any]:
    """Corrugated paper: faint flutes, blotches, a darker lower edge."""
    rng = np.random.default_rng((11, variant))
    base = 128 + smooth_noise(rng, (96, 96), 16, 7) + smooth_noise(rng, (96, 96), 3, 3)
    base += 2.5 * np.sin(np.arange(96) * 0.9)[None]
    base += np.linspace(7, -13, 96)[:, None]
    base[:2] -= 14
    base[-2:] -= 18
    base[:, :2] -= 10
    base[:, -2:] -= 16
    return _to_uint8(base)


@lru_cache(maxsize=64)
def wood(variant: int) -> NDArray[Any]:
    """Sawn board, grain along x, knots and dark edges."""
    rng = np.random.default_rng((12, variant))
    base: NDArray[Any] = np.full((48, 160), 128, np.float32) + rng.normal(0, 7)
    rows = np.cumsum(rng.normal(0, 3.2, 48))
    base += (rows - rows.mean())[:, None] + smooth_noise(rng, (160, 48), 12, 5)
    base += cv2.resize(rng.normal(0, 8, (48, 4)).astype(np.float32), (160, 48))
    for _ in range(int(rng.integers(0, 3))):
        cv2.ellipse(
            base, (int(rng.integers(160)), int(rng.integers(48))), (5, 3), 0, 0, 360, 84, -1
        )
    base[:2] -= 30
    base[-2:] -= 36
    return _to_uint8(base)


@lru_cache(maxsize=64)
def plastic(variant: int) -> NDArray[Any]:
    """Moulded plastic or painted metal: soft sheen, scratches, dirt towards the floor."""
    rng = np.random.default_rng((13, variant))
    base = 126 + smooth_noise(rng, (96, 96), 32, 5) + np.linspace(10, -16, 96)[:, None]
    base += 9 * np.exp(-(((np.arange(96) - rng.integers(10, 86)) / 14.0) ** 2))[None]
    for _ in range(int(rng.integers(2, 9))):
        p = rng.integers(0, 96, 4)
        cv2.line(
            base,
            (int(p[0]), int(p[1])),
            (int(p[0] + p[2] // 6), int(p[1] + p[3] // 12)),
            float(rng.choice([100.0, 156.0])),
            1,
        )
    return _to_uint8(base)


@lru_cache(maxsize=64)
def film(variant: int) -> NDArray[Any]:
    """Stretch film around a load: diagonal folds, layer seams behind it, highlights."""
    rng = np.random.default_rng((14, variant))
    base = 124 + smooth_noise(rng, (128, 128), 20, 8)
    layers = int(rng.integers(2, 5))
    for k in range(1, layers):
        y = int(128 * k / layers)
        base[y - 1 : y + 2] -= 26
    for _ in range(26):
        x, y = int(rng.integers(-30, 128)), int(rng.integers(0, 128))
        cv2.line(
            base,
            (x, y),
            (x + int(rng.integers(30, 90)), y + int(rng.integers(-14, 15))),
            float(rng.uniform(138, 190)),
            1,
            cv2.LINE_AA,
        )
    return _to_uint8(base)


@lru_cache(maxsize=64)
def shipping_label(variant: int) -> NDArray[Any]:
    """White label with a bar code and text lines, RGB."""
    rng = np.random.default_rng((16, variant))
    image = np.full((48, 64, 3), 236, np.uint8)
    x = 4
    while x < 58:
        bar = int(rng.integers(1, 4))
        image[24:43, x : x + bar] = 30
        x += bar + int(rng.integers(1, 4))
    for y in range(5, 21, 5):
        image[y : y + 2, 5 : int(rng.integers(25, 58))] = 70
    if rng.random() < 0.4:
        image[3:14, 46:60] = rng.choice([[200, 40, 40], [40, 80, 180], [240, 200, 40]])
    return image


@lru_cache(maxsize=16)
def arrows(variant: int) -> NDArray[Any]:
    """The two 'this way up' arrows, as a multiplier."""
    image = np.full((64, 64), 128, np.uint8)
    for x in (16, 44):
        cv2.arrowedLine(image, (x, 54), (x, 8), 46, 4, cv2.LINE_AA, tipLength=0.35)
    cv2.line(image, (4, 60), (58, 60), 46, 4)
    return image if variant % 2 == 0 else np.ascontiguousarray(image[::-1])


@lru_cache(maxsize=16)
def hazard(variant: int) -> NDArray[Any]:
    """Black and yellow slanted stripes, RGB."""
    image = np.zeros((24, 96, 3), np.uint8)
    image[:] = (34, 34, 36)
    for x in range(-24, 120, 24):
        cv2.fillConvexPoly(
            image, np.array([[x, 24], [x + 12, 24], [x + 30, 0], [x + 18, 0]]), (238, 196, 30)
        )
    return image if variant % 2 == 0 else np.ascontiguousarray(image[:, ::-1])
