# SPDX-License-Identifier: Apache-2.0
"""Textures of a hall's floor, walls, racks and ceiling: (H,W,3) uint8 RGB for a size in metres."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes import textures
from lfmvl_warehouse.scenes.vocabulary import PALETTE

FLOOR_PPM = 40  # texture pixels per metre
WALL_PPM = 56


def wall_paint(rng: np.random.Generator) -> NDArray[Any]:
    """A wall's mean colour, RGB (3,)."""
    return np.clip(np.full(3, rng.uniform(95, 205)) + rng.normal(0, 10, 3), 60, 225)


def floor(rng: np.random.Generator, width_m: float, length_m: float) -> NDArray[Any]:
    """Concrete with joints, lanes, bays and tyre marks, lit under the lamps."""
    w, h = int(width_m * FLOOR_PPM), int(length_m * FLOOR_PPM)
    tone = np.clip(np.full(3, rng.uniform(80, 185)) + rng.normal(0, 8, 3), 50, 200)
    noise = textures.smooth_noise(rng, (w, h), 70, 9) + textures.smooth_noise(rng, (w, h), 9, 3)
    image = np.clip(tone + noise[..., None], 0, 255)
    pools = (
        1 + 0.16 * np.cos(np.arange(h) * (2 * np.pi / (4.0 * FLOOR_PPM)))[:, None]
    )  # under the lamps
    image = np.clip(image * pools[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _joints(image, rng, tone)
    colour = PALETTE["yellow"] if rng.random() < 0.75 else PALETTE["white"]
    if rng.random() < 0.85:  # lane along the racks
        inset = int(rng.uniform(1.3, 2.6) * FLOOR_PPM)
        for x in (inset, w - inset):
            cv2.line(image, (x, 0), (x, h), colour, 5, cv2.LINE_AA)
    if rng.random() < 0.5:
        _bays(image, rng, colour)
    if rng.random() < 0.4:
        _crossing(image, rng)
    _tyre_marks(image, rng, tone)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8))


def _joints(image: NDArray[Any], rng: np.random.Generator, tone: NDArray[Any]) -> None:
    """Expansion joints or the edges of tiles."""
    h, w = image.shape[:2]
    step = int(rng.choice([1.0, 2.0, 4.0]) * FLOOR_PPM)
    dark = tuple(float(v) * 0.72 for v in tone)
    for x in range(step, w, step):
        cv2.line(image, (x, 0), (x, h), dark, 1, cv2.LINE_AA)
    for y in range(step, h, step):
        cv2.line(image, (0, y), (w, y), dark, 1, cv2.LINE_AA)


def _bays(image: NDArray[Any], rng: np.random.Generator, colour: tuple[int, int, int]) -> None:
    """Storage bays marked with lines."""
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
        end = (x + int(1.6 * FLOOR_PPM), y + int(2 * FLOOR_PPM))
        cv2.rectangle(image, (x, y), end, colour, 4, cv2.LINE_AA)


def _crossing(image: NDArray[Any], rng: np.random.Generator) -> None:
    """The white bars of a crossing."""
    h, w = image.shape[:2]
    y = int(rng.uniform(0.3, 0.9) * h)
    for x in range(0, w, int(0.9 * FLOOR_PPM)):
        end = (x + int(0.45 * FLOOR_PPM), y + int(2.2 * FLOOR_PPM))
        cv2.rectangle(image, (x, y), end, (222, 222, 216), -1)


def _tyre_marks(image: NDArray[Any], rng: np.random.Generator, tone: NDArray[Any]) -> None:
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(3, 14))):
        p = rng.uniform(0, 1, 4) * (w, h, w * 0.3, h * 0.2)
        overlay = tuple(float(v) * rng.uniform(0.72, 0.9) for v in tone)
        cv2.ellipse(
            image,
            (int(p[0]), int(p[1])),
            (int(p[2]) + 20, int(p[3]) + 20),
            0,
            int(rng.integers(360)),
            int(rng.integers(360)),
            overlay,
            int(rng.integers(2, 6)),
            cv2.LINE_AA,
        )


def ceiling(rng: np.random.Generator, width_m: float, length_m: float) -> NDArray[Any]:
    """Beams and lamps, at half the floor's resolution."""
    ppm = FLOOR_PPM // 2
    w, h = int(width_m * ppm), int(length_m * ppm)
    tone = np.full(3, rng.uniform(35, 120)) + rng.normal(0, 5, 3)
    image = np.clip(tone + textures.smooth_noise(rng, (w, h), 40, 4)[..., None], 0, 255).astype(
        np.uint8
    )
    beam = tuple(float(v) * 0.7 for v in tone)
    for y in range(0, h, 4 * ppm):
        cv2.rectangle(image, (0, y), (w, y + 7), beam, -1)
        for x in (int(0.25 * w), int(0.5 * w), int(0.75 * w)):
            cv2.rectangle(
                image, (x - 9, y + 2 * ppm - 22), (x + 9, y + 2 * ppm + 22), (252, 252, 244), -1
            )
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0))


def plain_wall(
    rng: np.random.Generator, length_m: float, height_m: float, tone: NDArray[Any]
) -> NDArray[Any]:
    """Panels, doors, windows and signs."""
    w, h = int(length_m * WALL_PPM), int(height_m * WALL_PPM)
    image = np.clip(
        tone
        + textures.smooth_noise(rng, (w, h), 60, 5)[..., None]
        + np.linspace(-14, 8, h)[:, None, None],
        0,
        255,
    )
    image = image.astype(np.uint8)
    pitch = int(rng.uniform(0.3, 1.2) * WALL_PPM)
    for x in range(0, w, pitch):  # panels
        cv2.line(image, (x, 0), (x, h), tuple(float(v) * 0.86 for v in tone), 2)
    if rng.random() < 0.6:  # kick strip
        stripe = (
            np.array(PALETTE[str(rng.choice(["blue", "grey", "green", "yellow"]))], float) * 0.8
        )
        cv2.rectangle(image, (0, h - int(0.9 * WALL_PPM)), (w, h), tuple(map(float, stripe)), -1)
    at_m = float(rng.uniform(0.5, 3.0))
    while at_m < length_m - 3.5:
        style = rng.random()
        x0, x1 = int(at_m * WALL_PPM), int((at_m + 2.8) * WALL_PPM)
        if style < 0.45:
            _roller_door(image, rng, x0, x1)
        elif style < 0.7:
            _window_band(image, rng, x0, x1)
        elif style < 0.85:
            _wall_sign(image, rng, x0)
        at_m += float(rng.uniform(3.2, 6.5))
    return np.asarray(image)


def _roller_door(image: NDArray[Any], rng: np.random.Generator, x0: int, x1: int) -> None:
    h = image.shape[0]
    top = h - int(3.4 * WALL_PPM)
    shade = rng.uniform(120, 215)
    for y in range(top, h, 9):
        cv2.rectangle(image, (x0, y), (x1, min(y + 8, h)), (shade + (y // 9 % 2) * 14,) * 3, -1)
    cv2.rectangle(image, (x0, top), (x1, h), (70, 72, 76), 6)


def _window_band(image: NDArray[Any], rng: np.random.Generator, x0: int, x1: int) -> None:
    """Two panes in a frame."""
    top, frame = int(rng.uniform(0.6, 1.6) * WALL_PPM), (90, 92, 96)
    low, middle = top + int(1.1 * WALL_PPM), (x0 + x1) // 2
    cv2.rectangle(image, (x0, top), (x1, low), (226, 238, 248), -1)
    cv2.line(image, (middle, top), (middle, low), frame, 5)
    cv2.rectangle(image, (x0, top), (x1, low), frame, 5)


def _wall_sign(image: NDArray[Any], rng: np.random.Generator, x0: int) -> None:
    top = image.shape[0] - int(2.6 * WALL_PPM)
    colour = PALETTE[str(rng.choice(["green", "blue", "yellow"]))]
    cv2.rectangle(image, (x0, top), (x0 + 60, top + 40), colour, -1)
    cv2.rectangle(image, (x0 + 8, top + 10), (x0 + 52, top + 16), (240, 240, 240), -1)
    cv2.rectangle(image, (x0 + 8, top + 24), (x0 + 40, top + 29), (240, 240, 240), -1)


def rack_wall(
    rng: np.random.Generator, length_m: float, height_m: float, wall: NDArray[Any]
) -> NDArray[Any]:
    """A front view of pallet racking: uprights, beams, film-wrapped loads in shade."""
    ppm = WALL_PPM
    w, h = int(length_m * ppm), int(height_m * ppm)
    image = np.clip(
        wall * 0.36 + textures.smooth_noise(rng, (w, h), 50, 5)[..., None], 0, 255
    ).astype(np.uint8)
    bay, level = rng.uniform(2.3, 3.0), rng.uniform(1.35, 1.8)
    rows = int((height_m - 0.6) / level)
    tones = [
        np.array(t, float)
        for t in ((150, 158, 166), (176, 180, 184), (104, 112, 122), (126, 130, 126), (92, 84, 78))
    ]
    for k in range(int(length_m / bay) + 1):
        for r in range(rows):
            floor_y = h - int(r * level * ppm) - (6 if r else 2)
            x = k * bay + 0.12
            while x < (k + 1) * bay - 0.8:
                load_w, load_h = rng.uniform(0.75, 1.15), rng.uniform(0.5, level - 0.32)
                if rng.random() < 0.8:
                    _load(
                        image,
                        rng,
                        int(x * ppm),
                        floor_y,
                        int(load_w * ppm),
                        int(load_h * ppm),
                        tones,
                    )
                x += load_w + rng.uniform(0.06, 0.16)
    beam = np.array(
        PALETTE[str(rng.choice(["orange", "blue", "grey", "yellow"]))], float
    ) * rng.uniform(0.62, 0.88)
    post = np.array(PALETTE[str(rng.choice(["blue", "grey", "green"]))], float) * rng.uniform(
        0.5, 0.8
    )
    for r in range(1, rows + 1):
        y = h - int(r * level * ppm)
        cv2.rectangle(image, (0, y - 5), (w, y + 3), tuple(beam), -1)
        cv2.line(image, (0, y + 5), (w, y + 5), (24, 24, 26), 3)
    top = h - int((rows * level + 0.5) * ppm)
    for k in range(int(length_m / bay) + 2):
        x = int(k * bay * ppm)
        cv2.rectangle(image, (x - 4, top), (x + 4, h), tuple(post), -1)
        cv2.rectangle(image, (x + 5, top), (x + 8, h), (28, 28, 30), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.9))


def _load(
    image: NDArray[Any],
    rng: np.random.Generator,
    x: int,
    y: int,
    w: int,
    h: int,
    tones: list[NDArray[Any]],
) -> None:
    y = y - 7
    cv2.rectangle(image, (x, y), (x + w, y + 6), (88, 70, 50), -1)
    x1, y0 = min(x + w, image.shape[1]), max(y - h, 0)
    if x1 <= x or y <= y0:
        return
    texture = (
        cv2.resize(textures.film(int(rng.integers(12))), (x1 - x, y - y0)).astype(np.float32) / 128
    )
    tone = tones[int(rng.integers(len(tones)))] * rng.uniform(0.5, 0.8)
    shade = np.linspace(0.62, 1.05, y - y0, dtype=np.float32)[:, None]
    image[y0:y, x:x1] = np.clip((texture * shade)[..., None] * tone, 0, 255).astype(np.uint8)
