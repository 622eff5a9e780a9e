# SPDX-License-Identifier: Apache-2.0
"""What light and camera do to a clean image: exposure, low light, glare, blur, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes.options import SceneOptions


@dataclass(frozen=True)
class Sensor:
    """The state of light and camera for one image, or for one video."""

    gain: tuple[float, float, float]
    gamma: float
    offset: float
    glare: tuple[float, float, float, float] | None  # x, y (0..1), radius (0..1), strength
    blur_px: int  # on a 256 px image
    blur_angle: float
    noise: float  # standard deviation, grey levels
    jpeg_quality: int | None


def sample_sensor(rng: np.random.Generator, options: SceneOptions) -> Sensor:
    """Draws the light and camera of an image."""
    b = options.brightness
    warmth = rng.normal(0, 0.05 * b + 0.01)
    gain = np.array([1 + warmth, 1.0, 1 - warmth]) * np.exp(rng.normal(0, 0.16 * b + 0.02))
    gamma, offset, noise, glare = (
        float(np.exp(rng.normal(0, 0.18 * b))),
        float(rng.normal(0, 10 * b)),
        0.0,
        None,
    )
    if rng.random() < 0.8:
        noise = float(rng.uniform(0.5, 2 + 9 * options.noise))
    if rng.random() < options.low_light_probability:
        gain = np.clip(gain, 0.7, 1.4) * rng.uniform(0.28, 0.6)
        gamma, offset, noise = min(gamma, 1.05), abs(offset) * 0.6, noise * 0.6 + 3 * options.noise
    elif rng.random() < options.backlight_probability:
        glare = (
            float(rng.random()),
            float(rng.uniform(0, 0.45)),
            float(rng.uniform(0.25, 0.6)),
            float(rng.uniform(0.5, 1.0)),
        )
        gain *= rng.uniform(0.45, 0.75)
    blur = 0
    if rng.random() < options.motion_blur_probability and options.motion_blur > 0:
        blur = 2 + int(rng.integers(1 + int(7 * options.motion_blur)))
    jpeg = int(rng.integers(28, 90)) if rng.random() < options.jpeg_probability else None
    return Sensor(
        (float(gain[0]), float(gain[1]), float(gain[2])),
        gamma,
        offset,
        glare,
        blur,
        float(rng.uniform(0, np.pi)),
        noise,
        jpeg,
    )


@lru_cache(maxsize=1)
def _noise_tile() -> NDArray[Any]:
    rng = np.random.default_rng(99)
    fine = rng.normal(0, 1, (768, 1024, 3)) * 0.55 + rng.normal(0, 1, (768, 1024, 1)) * 0.8
    return np.clip(128 + 24 * fine, 0, 255).astype(np.uint8)


def _add_noise(pixels: NDArray[Any], rng: np.random.Generator, sigma: float) -> NDArray[Any]:
    tile = _noise_tile()
    h, w = pixels.shape[:2]
    if h > tile.shape[0] or w > tile.shape[1]:
        tile = np.tile(tile, (h // tile.shape[0] + 1, w // tile.shape[1] + 1, 1))
    y, x = int(rng.integers(tile.shape[0] - h + 1)), int(rng.integers(tile.shape[1] - w + 1))
    strength = sigma / 24.0
    return np.asarray(
        cv2.addWeighted(
            pixels, 1.0, np.ascontiguousarray(tile[y : y + h, x : x + w]), strength, -128 * strength
        )
    )


def _tone_curve(sensor: Sensor) -> NDArray[Any]:
    levels = np.arange(256) / 255.0
    curve = 255 * np.power(levels, sensor.gamma)[:, None] * np.array(sensor.gain) + sensor.offset
    return np.asarray(np.clip(np.round(curve), 0, 255).astype(np.uint8)[None])


def _blur_kernel(length: int, angle: float) -> NDArray[Any]:
    kernel = np.zeros((length + 2, length + 2), np.float32)
    c, d = (length + 1) / 2, (length - 1) / 2
    a, b = (
        (c - d * np.cos(angle), c - d * np.sin(angle)),
        (c + d * np.cos(angle), c + d * np.sin(angle)),
    )
    cv2.line(
        kernel,
        tuple(round(16 * float(v)) for v in a),
        tuple(round(16 * float(v)) for v in b),
        1.0,
        1,
        cv2.LINE_AA,
        4,
    )
    return np.asarray(kernel / kernel.sum())


@lru_cache(maxsize=8)
def _glare_map(cell: int = 32) -> NDArray[Any]:
    axis = np.linspace(-2, 2, cell * 4, dtype=np.float32)
    return np.asarray(np.exp(-2.2 * (axis[None] ** 2 + axis[:, None] ** 2)))


def _add_glare(pixels: NDArray[Any], glare: tuple[float, float, float, float]) -> NDArray[Any]:
    h, w = pixels.shape[:2]
    x, y, radius, strength = glare
    bump = _glare_map()
    scale = radius * max(w, h) * 2 / bump.shape[1]
    matrix = np.array(
        [
            [scale, 0, x * w - scale * bump.shape[1] / 2],
            [0, scale, y * h - scale * bump.shape[0] / 2],
        ]
    )
    light = cv2.warpAffine((bump * 230 * strength).astype(np.uint8), matrix, (w, h))
    return np.asarray(cv2.add(pixels, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB)))


def apply_sensor(pixels: NDArray[Any], sensor: Sensor, rng: np.random.Generator) -> NDArray[Any]:
    """The image (H,W,3) uint8 as the camera delivers it; rng draws the noise of this frame."""
    scale = max(pixels.shape[:2]) / 256.0
    if sensor.glare is not None:
        pixels = _add_glare(pixels, sensor.glare)
    pixels = cv2.LUT(pixels, _tone_curve(sensor))
    if sensor.blur_px > 1:
        pixels = cv2.filter2D(
            pixels, -1, _blur_kernel(max(2, round(sensor.blur_px * scale)), sensor.blur_angle)
        )
    if sensor.noise > 0.3:
        pixels = _add_noise(pixels, rng, sensor.noise)
    if sensor.jpeg_quality is not None:
        ok, data = cv2.imencode(
            ".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality]
        )
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
        if decoded is not None:
            pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(pixels)
