# SPDX-License-Identifier: Apache-2.0
"""Whether an image differs from an earlier one by more than noise and a change of the light.

Both are reduced to a small grey image. The light (lamps, exposure) changes it by about the same
gain and offset everywhere: these two are fitted, without the parts that differ in another way, and
removed. A difference that remains in a part of the image is motion, of an object or of the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

SMALL_WH = (80, 60)
_FITS = 3
_OUTLIER, _NOISE = 2.5, 6.0  # standard deviations
_TO_SIGMA = 1.4826  # from the median of absolute deviations
_LEAST_CONTRAST = 2.0  # grey levels; a flat image shows no gain


def small_image(pixels: NDArray[np.uint8]) -> FloatImage:
    """Return the mean grey of the parts of an image, ``(60, 80)``, 0 to 255.

    Args:
        pixels: ``(H, W, 3)`` uint8, RGB.
    """
    small = cv2.resize(pixels, SMALL_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.float32)


def changed_share(before: FloatImage, now: FloatImage, contrast: float) -> float:
    """Return the share of the image that has changed, [0, 1].

    Args:
        before: earlier small image.
        now: newer one, of the same shape.
        contrast: least difference, in grey levels of 255, that counts as a change; more where the
            image is noisy.

    >>> grey = np.tile(np.linspace(20, 200, 80, dtype=np.float32), (60, 1))
    >>> changed_share(grey, 0.8 * grey + 10, 12.0)
    0.0
    >>> moved = grey.copy()
    >>> moved[10:22, 10:20] = 255
    >>> changed_share(grey, moved, 12.0)
    0.025
    """
    rest = now - _relit(before, now)
    sigma = _TO_SIGMA * float(np.median(np.abs(rest)))
    return float(np.mean(np.abs(rest) > max(contrast, min(_NOISE * sigma, 2 * contrast))))


def _relit(before: FloatImage, now: FloatImage) -> FloatImage:
    """Return ``before`` in the light of ``now``."""
    gain, offset = 1.0, float(np.median(now - before))
    for _ in range(_FITS):
        rest = now - (gain * before + offset)
        middle = float(np.median(rest))
        sigma = _TO_SIGMA * float(np.median(np.abs(rest - middle)))
        same = np.abs(rest - middle) <= max(_OUTLIER * sigma, 1.0)
        x, y = before[same], now[same]
        spread = float(x.std())
        if spread < _LEAST_CONTRAST:
            offset += middle
            continue
        mean_x, mean_y = float(x.mean()), float(y.mean())
        gain = float(np.mean((x - mean_x) * (y - mean_y))) / spread**2
        gain = min(max(gain, 0.2), 5.0)
        offset = mean_y - gain * mean_x
    return np.asarray(np.clip(gain * before + offset, 0, 255), dtype=np.float32)
