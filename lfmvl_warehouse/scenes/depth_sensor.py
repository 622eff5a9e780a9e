# SPDX-License-Identifier: Apache-2.0
"""What a stereo camera makes of exact depth: noise, steps, fattened edges, shadows, holes.

Noise and steps are constant in disparity, so they grow with the square of the distance: with the
defaults 3 mm at 1 m, 7 cm at 5 m. What stands left of something nearer is not seen by the second
camera. The matching window makes near things a little wider than they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_TILE = (1024, 1280)
# A disparity that grows by more than this between neighbours is that of another thing.
_JUMP = 1.04


@dataclass(frozen=True)
class StereoSensor:
    """Qualities of the sensor. Raises ValueError for what no sensor has.

    baseline_m: between the two cameras. noise_px, step_px: of disparity. window_px: odd, of the
    matching. holes: share of the image without depth, in blobs, 0..0.5. range_m: nearest and
    farthest depth that is measured.
    """

    baseline_m: float = 0.1
    noise_px: float = 0.12
    step_px: float = 1 / 16
    window_px: int = 3
    holes: float = 0.04
    range_m: tuple[float, float] = (0.3, 20.0)

    def __post_init__(self) -> None:
        near, far = self.range_m
        if not (self.baseline_m > 0 and self.noise_px >= 0 and self.step_px > 0):
            raise ValueError(
                f"baseline_m and step_px must be > 0 and noise_px >= 0, got {self.baseline_m}, "
                f"{self.step_px} and {self.noise_px}"
            )
        if self.window_px < 1 or self.window_px % 2 == 0:
            raise ValueError(f"window_px must be odd and >= 1, got {self.window_px}")
        if not (0 <= self.holes <= 0.5 and 0 < near < far):
            raise ValueError(
                f"holes must be within 0..0.5 and range_m (near, far), got {self.holes} and "
                f"{self.range_m}"
            )

    def measure(
        self, depth_m: NDArray[Any], focal_px: float, rng: np.random.Generator
    ) -> NDArray[Any]:
        """The depth image (H,W) uint16 in millimetres, 0 where there is none (REP 118).

        depth_m: (H,W) float32, exact, along the optical axis; rng draws the noise of this frame.
        """
        exact = np.float32(focal_px * self.baseline_m) / depth_m
        wide = cv2.dilate(exact, np.ones((self.window_px, self.window_px), np.uint8))
        disparity = np.where(wide > _JUMP * exact, wide, exact)
        missing = _shadow(disparity) | self._holes(depth_m.shape, rng)
        if self.noise_px:
            disparity += np.float32(self.noise_px) * _cut(_noise(), depth_m.shape, rng)
        disparity = np.rint(disparity / np.float32(self.step_px)) * np.float32(self.step_px)
        scale = np.float32(1000 * focal_px * self.baseline_m)
        depth_mm = scale / np.maximum(disparity, np.float32(1e-3))
        near, far = self.range_m
        missing |= (depth_mm < 1000 * near) | (depth_mm > 1000 * far)
        depth_mm[missing] = 0
        return np.asarray(np.rint(depth_mm), np.uint16)

    def _holes(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        if not self.holes:
            return np.zeros(shape, bool)
        blobs = _blobs()
        holes: NDArray[Any] = _cut(blobs, shape, rng) < np.quantile(blobs[::16, ::16], self.holes)
        return holes


def _shadow(disparity: NDArray[Any]) -> NDArray[Any]:
    """Where the second camera sees something nearer instead (half-occlusion)."""
    column = np.arange(disparity.shape[1], dtype=np.float32) - disparity
    nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(disparity.shape, bool)
    hidden[:, :-1] = column[:, :-1] > nearest[:, 1:] + 0.5
    return hidden


@lru_cache(maxsize=1)
def _noise() -> NDArray[Any]:
    """Noise of unit variance: half of it the same over a few pixels, as matching leaves it."""
    rng = np.random.default_rng(71)
    white = rng.standard_normal(_TILE, dtype=np.float32)
    smooth = cv2.GaussianBlur(rng.standard_normal(_TILE, dtype=np.float32), (0, 0), 1.5)
    return np.asarray(0.6 * white + 0.8 * smooth / smooth.std(), np.float32)


@lru_cache(maxsize=1)
def _blobs() -> NDArray[Any]:
    rng = np.random.default_rng(72)
    return cv2.GaussianBlur(rng.standard_normal(_TILE, dtype=np.float32), (0, 0), 3.0)


def _cut(tile: NDArray[Any], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """A part of a tile, from anywhere in it."""
    h, w = shape
    if h > tile.shape[0] or w > tile.shape[1]:
        tile = np.tile(tile, (h // tile.shape[0] + 1, w // tile.shape[1] + 1))
    y, x = int(rng.integers(tile.shape[0] - h + 1)), int(rng.integers(tile.shape[1] - w + 1))
    return tile[y : y + h, x : x + w]
