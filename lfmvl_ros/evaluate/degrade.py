# SPDX-License-Identifier: Apache-2.0
"""Five ways in which a camera's images get worse, each at three levels.

Each takes RGB pixels ``(H, W, 3)`` uint8 and boxes ``(N, 4)`` normalised, and returns both. The
same image gives the same result in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, area
from lfmvl_ros.core.encoded_images import encode_jpeg

Pixels = NDArray[np.uint8]
_ENOUGH_LEFT = 0.5


def darkened(pixels: Pixels, boxes: FloatArray, gain: float) -> tuple[Pixels, FloatArray]:
    """Less light: multiplied by ``gain``, with photon noise, whose share grows in the dark.

    A full pixel is taken as 2,000 photons, about that of a small camera at its base gain.
    """
    photons = pixels.astype(np.float32) * (gain * 2000 / 255)
    noise = _noise(pixels.shape) * np.sqrt(photons)
    return _as_pixels((photons + noise) * (255 / 2000)), boxes


def blurred(pixels: Pixels, boxes: FloatArray, share: float) -> tuple[Pixels, FloatArray]:
    """Motion across: a box filter as wide as ``share`` of the image."""
    width = max(1, round(share * pixels.shape[1]))
    return np.asarray(cv2.blur(pixels, (width, 1)), np.uint8), boxes


def noised(pixels: Pixels, boxes: FloatArray, sigma: float) -> tuple[Pixels, FloatArray]:
    """Sensor noise: Gaussian, standard deviation ``sigma`` of 255."""
    return _as_pixels(pixels.astype(np.float32) + sigma * _noise(pixels.shape)), boxes


def squeezed(pixels: Pixels, boxes: FloatArray, quality: float) -> tuple[Pixels, FloatArray]:
    """JPEG at this quality, 1 to 100."""
    data = np.frombuffer(encode_jpeg(pixels, int(quality)), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it has just been encoded
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8), boxes


def rotated(pixels: Pixels, boxes: FloatArray, degrees: float) -> tuple[Pixels, FloatArray]:
    """A camera that hangs askew: rotated about the centre, with the edge repeated outside.

    A box becomes the upright box around its rotated inscribed ellipse, which fits a turned object
    better than that around its corners; NaN where less than half of it is still on the image.
    """
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1.0)
    turned = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    size = np.array([width, height], np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 * size
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * size
    moved = (centres - size / 2) @ matrix[:, :2].T + size / 2
    extent = np.sqrt(half**2 @ (matrix[:, :2] ** 2).T)
    found = np.concatenate([(moved - extent) / size, (moved + extent) / size], axis=1)
    inside = np.clip(found, 0.0, 1.0)
    inside[area(inside) < _ENOUGH_LEFT * area(found)] = np.nan
    return np.asarray(turned, np.uint8), inside


Degradation = Callable[[Pixels, FloatArray, float], tuple[Pixels, FloatArray]]

DEGRADATIONS: Mapping[str, tuple[Degradation, str, tuple[float, float, float]]] = {
    "darkened": (darkened, "of the light", (0.5, 0.2, 0.08)),
    "blurred": (blurred, "of the width", (0.01, 0.025, 0.05)),
    "noised": (noised, "of 255", (10.0, 25.0, 50.0)),
    "squeezed": (squeezed, "JPEG quality", (30.0, 12.0, 5.0)),
    "rotated": (rotated, "degrees", (3.0, 6.0, 12.0)),
}
"""Name -> function, what its level is, and the three levels."""


def _noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _as_pixels(values: NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
