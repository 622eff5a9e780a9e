# SPDX-License-Identifier: Apache-2.0
"""Arrays of any pixel encoding -> the ``(H, W, 3)`` RGB array a model reads.

The colour conversions give what ``cv_bridge`` gives for the desired encoding ``rgb8`` (16-bit
images are divided by 257, so that full scale stays full scale). Two encodings have no colour
meaning and are refused by ``cv_bridge``; here they are made visible:

``16UC1`` and ``32FC1`` (depth, thermal)
    Each image is stretched so that the 1st to 99th percentile of its valid values (finite and
    not 0) fills 0 to 255, larger is brighter; invalid pixels are black. The scale changes from
    frame to frame: good for finding a shape, useless for measuring.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

# Encoding -> (element type, channels, OpenCV code to RGB; None keeps the channels as they are).
_U1, _U2, _F4 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
LAYOUTS: dict[str, tuple[np.dtype[Any], int, int | None]] = {
    "rgb8": (_U1, 3, None),
    "bgr8": (_U1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (_U1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (_U1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (_U1, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (_U1, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": (_U1, 3, cv2.COLOR_BGR2RGB),  # it states no order of colours; this is OpenCV's
    "rgb16": (_U2, 3, None),
    "bgr16": (_U2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (_U2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (_U2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (_U2, 1, cv2.COLOR_GRAY2RGB),
    "16UC1": (_U2, 1, cv2.COLOR_GRAY2RGB),
    "32FC1": (_F4, 1, cv2.COLOR_GRAY2RGB),
    "yuv422": (_U1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (_U1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (_U1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (_U1, 2, cv2.COLOR_YUV2RGB_YUY2),
    # Brightness first, and half as many rows of colour below it.
    "nv12": (_U1, 1, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (_U1, 1, cv2.COLOR_YUV2RGB_NV21),
    # OpenCV names a Bayer pattern by its second row's second and third pixel, ROS by the first two.
    "bayer_rggb8": (_U1, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (_U1, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (_U1, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (_U1, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": (_U2, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (_U2, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (_U2, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (_U2, 1, cv2.COLOR_BayerGB2RGB),
}
PLANAR = ("nv12", "nv21")
"""Encodings whose colours are in rows of their own: height * 3 / 2 rows in all."""
MEASUREMENTS = ("16UC1", "32FC1")
"""Encodings whose values are quantities, not brightness; see the module's text."""

_PERCENTILES, _SAMPLE_STRIDE_ABOVE_PX = (1.0, 99.0), 640 * 480
# Depth in millimetres and images of 10 to 14 bits use the lowest quarter of 16 bits at most.
_SMALL_16_BIT = 1 << 14
_SAMPLES, _FLAT_LEVELS = 64, 2.0


class ImageError(ValueError):
    """An image that can't be decoded; the message says why."""


def rows_of(encoding: str, height: int) -> int:
    """How many rows of bytes an image of an encoding has."""
    return height * 3 // 2 if encoding in PLANAR else height


def to_rgb8(encoding: str, image: NDArray[Any]) -> Pixels:
    """Return an array of an encoding as RGB.

    Args:
        encoding: a key of :data:`LAYOUTS`.
        image: ``(H, W)`` or ``(H, W, C)`` of that encoding's element type, in native byte order;
            ``(H * 3 / 2, W)`` of a planar one.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous.

    Raises:
        ImageError: the size can't be one of this encoding.
    """
    code = LAYOUTS[encoding][2]
    if encoding in MEASUREMENTS:
        image = stretch(image)
    if code is not None:
        try:
            image = cv2.cvtColor(image, code)
        except cv2.error as error:
            size = f"{image.shape[1]}x{image.shape[0]}"
            raise ImageError(f"a {size} image can't be {encoding} ({error.err})") from error
    if image.dtype == np.uint16:
        # x / 257 has no ties, so every way of rounding gives the same.
        image = cv2.convertScaleAbs(image, alpha=255 / 65535)
    return cast(Pixels, image)


def stretch(values: NDArray[Any]) -> Pixels:
    """Scale measurements to brightness, as the module's docstring describes.

    Args:
        values: ``(H, W)`` numbers.

    Returns:
        ``(H, W)`` uint8.

    >>> stretch(np.array([[0, 100], [150, 200]], np.uint16)).tolist()
    [[0, 0], [128, 255]]
    """
    valid = np.isfinite(values) & (values != 0)
    stride = 4 if values.size > _SAMPLE_STRIDE_ABOVE_PX else 1
    sample = values[::stride, ::stride][valid[::stride, ::stride]]
    if sample.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(sample, _PERCENTILES)
    if low == high and not valid.all():  # one value, as of a drawing: its shape is to be seen
        return cast(Pixels, np.where(valid, 255, 0).astype(np.uint8))
    scale = 255.0 / max(float(high - low), 1e-9)
    scaled = (np.where(valid, values, low).astype(np.float64) - low) * scale
    return cast(Pixels, np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def looks_measured(image: NDArray[Any]) -> bool:
    """Whether a gray image holds quantities (depth, thermal, raw 12 bits) rather than brightness.

    Where nobody says which, 16-bit values in their lowest quarter are taken for quantities: as
    brightness such an image is nearly black.

    Args:
        image: ``(H, W)`` of any element type.

    >>> looks_measured(np.full((4, 4), 3000, np.uint16)), looks_measured(np.zeros((4, 4), np.uint8))
    (True, False)
    """
    if image.dtype == np.uint8:
        return False
    if image.dtype != np.uint16:
        return True
    return bool(np.percentile(image[::4, ::4], _PERCENTILES[1]) < _SMALL_16_BIT)


def is_flat(pixels: Pixels) -> bool:
    """Whether an image has no contrast: a covered lens, an exposure gone wrong, a wrong encoding.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    >>> is_flat(np.full((48, 64, 3), 9, np.uint8))
    True
    """
    down, across = (max(1, size // _SAMPLES) for size in pixels.shape[:2])
    sample = pixels[::down, ::across].reshape(-1, 3)
    return bool((sample.std(axis=0) < _FLAT_LEVELS).all())
