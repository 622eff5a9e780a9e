# SPDX-License-Identifier: Apache-2.0
"""Warehouse halls: a textured room (floor, two rack rows, two end walls, ceiling) and its camera.

World: x right, y along the hall, z up, metres; the floor is z = 0. The camera looks horizontally;
its picture is shifted, not tilted, so verticals stay vertical and the horizon is one row.
Every plane's 1/depth is affine in the image, and the largest wins, which gives depth and the
outline of every plane exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lfmvl_ros.scenes import textures
from lfmvl_ros.scenes.vocabulary import PALETTE

_FLOOR_PPM = 40  # texture pixels per metre
_WALL_PPM = 56


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: focal_px, horizon row and centre column in px; position (x,y,z) m; yaw rad (0 = +y)."""

    focal_px: float
    centre_px: float
    horizon_px: float
    position: tuple[float, float, float]
    yaw: float = 0.0

    def project(self, x: float, y: float, z: float = 0.0) -> tuple[float, float, float]:
        """Image column, row and depth (m) of a world point; depth <= 0 is behind the camera."""
        dx, dy = x - self.position[0], y - self.position[1]
        s, c = np.sin(self.yaw), np.cos(self.yaw)
        depth = float(dx * s + dy * c)
        k = self.focal_px / max(depth, 1e-6)
        return (
            self.centre_px + float(dx * c - dy * s) * k,
            self.horizon_px + (self.position[2] - z) * k,
            depth,
        )


class Room:
    """One hall, drawn from a seed; `render` shows it from a camera inside."""

    def __init__(
        self, seed: int, width_m: float = 12.0, length_m: float = 32.0, height_m: float = 7.0
    ) -> None:
        rng = np.random.default_rng((5, seed))
        self.width_m, self.length_m, self.height_m = width_m, length_m, height_m
        w, d, h = width_m, length_m, height_m
        wall = _wall_paint(rng)
        left = _rack_wall(rng, d, h, wall) if rng.random() < 0.8 else _plain_wall(rng, d, h, wall)
        right = _rack_wall(rng, d, h, wall) if rng.random() < 0.8 else _plain_wall(rng, d, h, wall)
        end = _rack_wall(rng, w, h, wall) if rng.random() < 0.35 else _plain_wall(rng, w, h, wall)
        up = np.array([0.0, 0, -1])
        self._planes = (
            (
                "floor",
                _floor(rng, w, d),
                np.array([0.0, d, 0]),
                np.array([1.0, 0, 0]),
                np.array([0.0, -1, 0]),
                _FLOOR_PPM,
            ),
            (
                "ceiling",
                _ceiling(rng, w, d),
                np.array([0.0, d, h]),
                np.array([1.0, 0, 0]),
                np.array([0.0, -1, 0]),
                _FLOOR_PPM // 2,
            ),
            ("left", left, np.array([0.0, 0, h]), np.array([0.0, 1, 0]), up, _WALL_PPM),
            ("right", right, np.array([w, d, h]), np.array([0.0, -1, 0]), up, _WALL_PPM),
            ("end", end, np.array([0.0, d, h]), np.array([1.0, 0, 0]), up, _WALL_PPM),
            (
                "back",
                _plain_wall(rng, w, h, wall),
                np.array([w, 0.0, h]),
                np.array([-1.0, 0, 0]),
                up,
                _WALL_PPM,
            ),
        )

    def inverse_depth(
        self, camera: Camera, wh: tuple[int, int]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """1/depth of each plane (1-D: over columns for walls, rows for floor and ceiling) and of the room (H,W)."""
        u = (np.arange(wh[0], dtype=np.float32) + 0.5 - camera.centre_px) / camera.focal_px
        v = (np.arange(wh[1], dtype=np.float32) + 0.5 - camera.horizon_px) / camera.focal_px
        s, c = np.float32(np.sin(camera.yaw)), np.float32(np.cos(camera.yaw))
        x, y, z = (np.float32(k) for k in camera.position)
        dx, dy = s + c * u, c - s * u
        parts = {
            "floor": v / z,
            "ceiling": -v / (np.float32(self.height_m) - z),
            "left": -dx / x,
            "right": dx / (np.float32(self.width_m) - x),
            "end": dy / (np.float32(self.length_m) - y),
            "back": -dy / y,
        }
        walls = np.maximum.reduce([parts[k] for k in ("left", "right", "end", "back")])
        flats = np.maximum(parts["floor"], parts["ceiling"])
        return parts, np.maximum(walls[None], flats[:, None])

    def render(self, camera: Camera, wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (H,W,3) uint8 RGB and depth in metres (H,W) float32."""
        parts, nearest = self.inverse_depth(camera, wh)
        pixels = np.zeros((wh[1], wh[0], 3), np.uint8)
        s, c = np.sin(camera.yaw), np.cos(camera.yaw)
        turn = np.array([[c, -s, 0], [0, 0, -1], [s, c, 0]])
        lens = np.array(
            [
                [camera.focal_px, 0, camera.centre_px - 0.5],
                [0, camera.focal_px, camera.horizon_px - 0.5],
                [0, 0, 1],
            ]
        )
        for name, texture, origin, e1, e2, ppm in self._planes:
            line = parts[name]
            grid = line[:, None] if name in ("floor", "ceiling") else line[None]
            mask = (grid >= nearest).view(np.uint8)
            x, y, w, h = cv2.boundingRect(mask)
            if w == 0:
                continue
            matrix = (
                lens
                @ turn
                @ np.column_stack([e1 / ppm, e2 / ppm, origin - np.asarray(camera.position)])
            )
            matrix = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]) @ matrix
            view = cv2.warpPerspective(
                texture, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            target = pixels[y : y + h, x : x + w]
            pixels[y : y + h, x : x + w] = cv2.copyTo(
                view, np.ascontiguousarray(mask[y : y + h, x : x + w]), np.ascontiguousarray(target)
            )
        return pixels, 1.0 / nearest


def _wall_paint(rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.full(3, rng.uniform(95, 205)) + rng.normal(0, 10, 3), 60, 225)


def _floor(rng: np.random.Generator, width_m: float, length_m: float) -> np.ndarray:
    w, h = int(width_m * _FLOOR_PPM), int(length_m * _FLOOR_PPM)
    tone = np.clip(np.full(3, rng.uniform(80, 185)) + rng.normal(0, 8, 3), 50, 200)
    noise = textures.smooth_noise(rng, (w, h), 70, 9) + textures.smooth_noise(rng, (w, h), 9, 3)
    image = np.clip(tone + noise[..., None], 0, 255)
    pools = (
        1 + 0.16 * np.cos(np.arange(h) * (2 * np.pi / (4.0 * _FLOOR_PPM)))[:, None]
    )  # under the lamps
    image = np.clip(image * pools[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.6:  # expansion joints or tiles
        step = int(rng.choice([1.0, 2.0, 4.0]) * _FLOOR_PPM)
        dark = tuple(float(v) * 0.72 for v in tone)
        for x in range(step, w, step):
            cv2.line(image, (x, 0), (x, h), dark, 1, cv2.LINE_AA)
        for y in range(step, h, step):
            cv2.line(image, (0, y), (w, y), dark, 1, cv2.LINE_AA)
    colour = PALETTE["yellow"] if rng.random() < 0.75 else PALETTE["white"]
    if rng.random() < 0.85:  # lane along the racks
        inset = int(rng.uniform(1.3, 2.6) * _FLOOR_PPM)
        for x in (inset, w - inset):
            cv2.line(image, (x, 0), (x, h), colour, 5, cv2.LINE_AA)
    if rng.random() < 0.5:  # marked storage bays or a crossing
        for _ in range(int(rng.integers(1, 6))):
            x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
            cv2.rectangle(
                image,
                (x, y),
                (x + int(1.6 * _FLOOR_PPM), y + int(2 * _FLOOR_PPM)),
                colour,
                4,
                cv2.LINE_AA,
            )
    if rng.random() < 0.4:
        y = int(rng.uniform(0.3, 0.9) * h)
        for x in range(0, w, int(0.9 * _FLOOR_PPM)):
            cv2.rectangle(
                image,
                (x, y),
                (x + int(0.45 * _FLOOR_PPM), y + int(2.2 * _FLOOR_PPM)),
                (222, 222, 216),
                -1,
            )
    for _ in range(int(rng.integers(3, 14))):  # tyre marks
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
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8))


def _ceiling(rng: np.random.Generator, width_m: float, length_m: float) -> np.ndarray:
    ppm = _FLOOR_PPM // 2
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


def _plain_wall(
    rng: np.random.Generator, length_m: float, height_m: float, tone: np.ndarray
) -> np.ndarray:
    w, h = int(length_m * _WALL_PPM), int(height_m * _WALL_PPM)
    image = np.clip(
        tone
        + textures.smooth_noise(rng, (w, h), 60, 5)[..., None]
        + np.linspace(-14, 8, h)[:, None, None],
        0,
        255,
    )
    image = image.astype(np.uint8)
    pitch = int(rng.uniform(0.3, 1.2) * _WALL_PPM)
    for x in range(0, w, pitch):  # panels
        cv2.line(image, (x, 0), (x, h), tuple(float(v) * 0.86 for v in tone), 2)
    if rng.random() < 0.6:  # kick strip
        stripe = (
            np.array(PALETTE[str(rng.choice(["blue", "grey", "green", "yellow"]))], float) * 0.8
        )
        cv2.rectangle(image, (0, h - int(0.9 * _WALL_PPM)), (w, h), tuple(map(float, stripe)), -1)
    x = rng.uniform(0.5, 3.0)
    while x < length_m - 3.5:
        style = rng.random()
        x0, x1 = int(x * _WALL_PPM), int((x + 2.8) * _WALL_PPM)
        if style < 0.45:  # roller door
            top = h - int(3.4 * _WALL_PPM)
            shade = rng.uniform(120, 215)
            for y in range(top, h, 9):
                cv2.rectangle(
                    image, (x0, y), (x1, min(y + 8, h)), (shade + (y // 9 % 2) * 14,) * 3, -1
                )
            cv2.rectangle(image, (x0, top), (x1, h), (70, 72, 76), 6)
        elif style < 0.7:  # window band
            top = int(rng.uniform(0.6, 1.6) * _WALL_PPM)
            cv2.rectangle(image, (x0, top), (x1, top + int(1.1 * _WALL_PPM)), (226, 238, 248), -1)
            cv2.line(
                image,
                ((x0 + x1) // 2, top),
                ((x0 + x1) // 2, top + int(1.1 * _WALL_PPM)),
                (90, 92, 96),
                5,
            )
            cv2.rectangle(image, (x0, top), (x1, top + int(1.1 * _WALL_PPM)), (90, 92, 96), 5)
        elif style < 0.85:  # sign
            top = h - int(2.6 * _WALL_PPM)
            colour = PALETTE[str(rng.choice(["green", "blue", "yellow"]))]
            cv2.rectangle(image, (x0, top), (x0 + 60, top + 40), colour, -1)
            cv2.rectangle(image, (x0 + 8, top + 10), (x0 + 52, top + 16), (240, 240, 240), -1)
            cv2.rectangle(image, (x0 + 8, top + 24), (x0 + 40, top + 29), (240, 240, 240), -1)
        x += rng.uniform(3.2, 6.5)
    return image


def _rack_wall(
    rng: np.random.Generator, length_m: float, height_m: float, wall: np.ndarray
) -> np.ndarray:
    """A front view of pallet racking: uprights, beams, film-wrapped loads in shade."""
    ppm = _WALL_PPM
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
    image: np.ndarray,
    rng: np.random.Generator,
    x: int,
    y: int,
    w: int,
    h: int,
    tones: list[np.ndarray],
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
