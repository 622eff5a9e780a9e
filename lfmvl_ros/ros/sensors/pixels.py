# SPDX-License-Identifier: Apache-2.0
"""Converts between the bytes of camera messages and ``(H, W, 3)`` RGB arrays. No ROS in here.

What an encoding means is in :mod:`lfmvl_ros.core.colour`.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.colour import LAYOUTS, PLANAR, ImageError, Pixels, rows_of, to_rgb8
from lfmvl_ros.core.encoded_images import FORMATS, decode_image, format_of, size_problem
from lfmvl_ros.core.frame import Frame

ENCODINGS_OUT = ("rgb8", "bgr8", "mono8")


class ConversionError(ValueError):
    """An image that can't be used. ``reason`` is the drop counter it belongs to."""

    def __init__(self, message: str, reason: str = "corrupt") -> None:
        super().__init__(message)
        self.reason = reason


def check_raw(encoding: str, size_bytes: int, wh: tuple[int, int], step: int) -> None:
    """Raise unless the stated layout is supported and fits into ``size_bytes``.

    Raises:
        ConversionError: unsupported encoding (with the list of supported ones), zero size, a
            ``step`` shorter than a row, or fewer than ``step * height`` bytes.
    """
    if encoding not in LAYOUTS:
        raise ConversionError(
            f"image encoding {encoding!r} is not supported; supported: {', '.join(LAYOUTS)}",
            reason="unsupported_encoding",
        )
    (width, height), (dtype, channels, _) = wh, LAYOUTS[encoding]
    rows = rows_of(encoding, height)
    if width < 1 or height < 1:
        raise ConversionError(f"image of zero size ({width}x{height})")
    row = width * channels * dtype.itemsize
    if step < row:
        raise ConversionError(f"step {step} is shorter than a row of {width} {encoding}: {row}")
    if encoding in PLANAR and (width % 2 or height % 2):
        raise ConversionError(f"a {width}x{height} image can't be {encoding}: both must be even")
    if size_bytes < step * rows:
        times = "step*height" if rows == height else "step*height*3/2"
        raise ConversionError(
            f"image data has {size_bytes} bytes, {times} needs {step * rows} "
            f"({width}x{height} {encoding}, step {step})"
        )


def decode_raw(
    encoding: str, data: Any, wh: tuple[int, int], step: int, *, big_endian: bool = False
) -> Pixels:
    """Return the RGB pixels of a raw image; a view of ``data`` for ``rgb8`` without row padding.

    Args:
        encoding: a key of :data:`LAYOUTS`.
        data: any object with the buffer protocol.
        wh: width and height, pixels.
        step: bytes from one row to the next.
        big_endian: byte order of 16- and 32-bit elements.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous.

    Raises:
        ConversionError: see :func:`check_raw`.
    """
    buffer = np.frombuffer(data, np.uint8)
    check_raw(encoding, buffer.size, wh, step)
    (width, height), (dtype, channels, _) = wh, LAYOUTS[encoding]
    height = rows_of(encoding, height)
    row = width * channels * dtype.itemsize
    rows: Pixels = buffer[: step * height].reshape(height, step)
    if step != row:
        rows = np.ascontiguousarray(rows[:, :row])
    image = rows.view(dtype.newbyteorder(">" if big_endian else "<"))
    image = image.reshape((height, width) if channels == 1 else (height, width, channels))
    if not image.dtype.isnative:
        image = image.astype(dtype)
    try:
        return to_rgb8(encoding, image)
    except ImageError as error:
        raise ConversionError(str(error)) from error


def decode_compressed(format_: str, data: Any, *, max_megapixels: float = 64.0) -> Pixels:
    """Return the RGB pixels of a JPEG or PNG image.

    Args:
        format_: the message's ``format``, such as ``jpeg`` or ``16UC1; png compressed``. The
            format is recognised from ``data``; this text only adds what the data does not show.
        data: any object with the buffer protocol.
        max_megapixels: images that state more million pixels are not decoded.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous; an EXIF orientation is ignored, since the
        camera's calibration is without it.

    Raises:
        ConversionError: another format, truncated or undecodable data.
    """
    raw = bytes(data)
    if not raw:
        raise ConversionError("compressed image without data")
    if not format_of(raw) or "compressedDepth" in format_:
        raise ConversionError(
            f"compressed image format {format_!r} is not supported (data begins with "
            f"{raw[:4].hex()}); supported: {', '.join(FORMATS)}",
            reason="unsupported_encoding",
        )
    if problem := size_problem(raw, max_megapixels):
        raise ConversionError(f"compressed image {format_!r}: {problem}")
    try:
        return decode_image(raw, format_)
    except ImageError as error:
        raise ConversionError(f"compressed image {format_!r} {error}") from error


def encode_raw(pixels: Pixels, encoding: str) -> NDArray[np.uint8]:
    """Return ``(H, W, 3)`` RGB as ``(H, W, C)`` or ``(H, W)`` of ``rgb8``, ``bgr8`` or ``mono8``.

    Raises:
        ValueError: another encoding, or ``pixels`` is no RGB array.
    """
    pixels = Frame(pixels, stamp_ns=0).pixels
    if encoding == "rgb8":
        return pixels
    if encoding == "bgr8":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
    if encoding == "mono8":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    raise ValueError(f"encoding must be one of {', '.join(ENCODINGS_OUT)}, got {encoding!r}")
