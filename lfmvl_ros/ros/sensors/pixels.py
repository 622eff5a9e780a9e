# SPDX-License-Identifier: Apache-2.0
"""Bytes of a camera message <-> the ``(H, W, 3)`` RGB array a model reads. No ROS in here.

The colour conversions give what ``cv_bridge`` gives for the desired encoding ``rgb8`` (16-bit
images are divided by 257, so that full scale stays full scale). Two encodings have no colour
meaning and are refused by ``cv_bridge``; here they are made visible:

``16UC1`` and ``32FC1`` (depth, thermal)
    Each image is stretched so that the 1st to 99th percentile of its valid values (finite and
    not 0) fills 0 to 255, larger is brighter; invalid pixels are black. The scale changes from
    frame to frame: good for finding a shape, useless for measuring.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import JPEG, PNG, size_problem
from lfmvl_ros.core.frame import Frame

Pixels = NDArray[np.uint8]

# Encoding -> (element type, channels, OpenCV code to RGB; None keeps the channels as they are).
_U1, _U2, _F4 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
LAYOUTS: dict[str, tuple[np.dtype[Any], int, int | None]] = {
    "rgb8": (_U1, 3, None),
    "bgr8": (_U1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (_U1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (_U1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (_U1, 1, cv2.COLOR_GRAY2RGB),
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
MEASUREMENTS = ("16UC1", "32FC1")
"""Encodings whose values are quantities, not brightness; see the module's text."""
COMPRESSED = ("jpeg", "png")
ENCODINGS_OUT = ("rgb8", "bgr8", "mono8")

_PERCENTILES, _SAMPLE_STRIDE_ABOVE_PX = (1.0, 99.0), 640 * 480


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
    if width < 1 or height < 1:
        raise ConversionError(f"image of zero size ({width}x{height})")
    row = width * channels * dtype.itemsize
    if step < row:
        raise ConversionError(f"step {step} is shorter than a row of {width} {encoding}: {row}")
    if size_bytes < step * height:
        raise ConversionError(
            f"image data has {size_bytes} bytes, step*height needs {step * height} "
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
    (width, height), (dtype, channels, code) = wh, LAYOUTS[encoding]
    row = width * channels * dtype.itemsize
    rows = buffer[: step * height].reshape(height, step)
    if step != row:
        rows = np.ascontiguousarray(rows[:, :row])
    image = rows.view(dtype.newbyteorder(">" if big_endian else "<"))
    image = image.reshape((height, width) if channels == 1 else (height, width, channels))
    if not image.dtype.isnative:
        image = image.astype(dtype)
    return _to_rgb8(encoding, image, code)


def _to_rgb8(encoding: str, image: NDArray[Any], code: int | None) -> Pixels:
    if encoding in MEASUREMENTS:
        image = stretch(image)
    if code is not None:
        try:
            image = cv2.cvtColor(image, code)
        except cv2.error as error:
            size = f"{image.shape[1]}x{image.shape[0]}"
            raise ConversionError(f"a {size} image can't be {encoding} ({error.err})") from error
    if image.dtype == np.uint16:
        # x / 257 has no ties, so every way of rounding gives the same.
        image = cv2.convertScaleAbs(image, alpha=255 / 65535)
    return image


def stretch(values: NDArray[Any]) -> Pixels:
    """Scale measurements to brightness; the module's text says how.

    Args:
        values: ``(H, W)`` uint16 or float32.

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
    scale = 255.0 / max(float(high - low), 1e-9)
    scaled = (np.where(valid, values, low).astype(np.float64) - low) * scale
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), np.uint8)


def decode_compressed(format_: str, data: Any, *, max_megapixels: float = 64.0) -> Pixels:
    """Return the RGB pixels of a JPEG or PNG image.

    Args:
        format_: the message's ``format``, such as ``jpeg`` or ``16UC1; png compressed``. What is
            in ``data`` decides; the text only tells measurements from brightness.
        data: any object with the buffer protocol.
        max_megapixels: images that state more million pixels are not decoded.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous; an EXIF orientation is ignored, as the camera's
        calibration knows nothing of it.

    Raises:
        ConversionError: another format, truncated or undecodable data.
    """
    raw = bytes(data)
    if not raw:
        raise ConversionError("compressed image without data")
    if not raw.startswith((JPEG, PNG)) or "compressedDepth" in format_:
        raise ConversionError(
            f"compressed image format {format_!r} is not supported (data begins with "
            f"{raw[:4].hex()}); supported: {', '.join(COMPRESSED)}",
            reason="unsupported_encoding",
        )
    if problem := size_problem(raw, max_megapixels):
        raise ConversionError(f"compressed image {format_!r}: {problem}")
    if not _is_complete(raw):
        raise ConversionError(f"compressed image {format_!r} is cut off ({len(raw)} bytes)")
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ConversionError(f"compressed image {format_!r}: {error.err}") from error
    if image is None:
        raise ConversionError(f"compressed image {format_!r} of {len(raw)} bytes can't be decoded")
    return _decoded_to_rgb8(format_, image)


def encode_jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    """Return ``(H, W, 3)`` RGB as a JPEG image; ``quality`` is 1 to 100."""
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _decoded_to_rgb8(format_: str, image: NDArray[Any]) -> Pixels:
    bits = "16" if image.dtype == np.uint16 else "8"
    if image.dtype not in (_U1, _U2):
        raise ConversionError(f"compressed image {format_!r} has elements of type {image.dtype}")
    if image.ndim == 2:
        measured = bits == "16" and format_.lstrip().startswith("16UC1")
        encoding = "16UC1" if measured else f"mono{bits}"
    else:
        # OpenCV decodes to BGR; publishers that skip the swap before encoding say "compressed rgb".
        order = "rgb" if "compressed rgb" in format_ else "bgr"
        encoding = order + ("a" if image.shape[2] == 4 else "") + bits
    return _to_rgb8(encoding, image, LAYOUTS[encoding][2])


def _is_complete(raw: bytes) -> bool:
    """Tell whether the end marker is there: OpenCV fills what is missing with grey and is glad."""
    if raw.startswith(PNG):
        return raw.rfind(b"IEND") > 0
    position = 2
    while position + 4 <= len(raw) and raw[position] == 0xFF:  # header segments, up to SOS
        if raw[position + 1] == 0xFF:  # fill byte
            position += 1
            continue
        length = int.from_bytes(raw[position + 2 : position + 4], "big")
        if raw[position + 1] == 0xDA:
            return raw.find(b"\xff\xd9", position + 2 + length) > 0
        position += 2 + length
    return False


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
