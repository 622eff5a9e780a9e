# SPDX-License-Identifier: Apache-2.0
"""Encoded images -> RGB: files, images of a data set and compressed messages alike; RGB -> JPEG.

Before memory is allocated, the size in the header of a JPEG or PNG is checked: a file of 100 kB can
state 30,000 x 30,000 pixels, which take 2.7 GB and half a minute to decode. Truncated images are
refused, because OpenCV silently fills the rest with grey.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.colour import LAYOUTS, ImageError, Pixels, looks_measured, to_rgb8
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.jpeg_scans import read_scans

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
FORMATS = {"jpeg": (JPEG,), "png": (PNG,)}
"""Compressed formats whose data is checked before and after decoding -> the bytes each begins with.
Messages may have only these; image files also any other format that OpenCV decodes."""
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
"""Suffixes of the files in a folder that are taken for images."""
MAX_FILE_MEGAPIXELS = 256  # phones take 200
"""Most pixels of an image file, in millions. OpenCV refuses larger ones of any format as well,
where ``OPENCV_IO_MAX_IMAGE_PIXELS`` does not say otherwise (see ``lfmvl_ros/__init__.py``)."""

# Start of frame: baseline, progressive, lossless ... , but not DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FILLING = bytes((37 * i + 11) % 251 for i in range(4096))  # no byte is 0xFF
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


class ColourError(ImageError):
    """A complete image whose values are not colours."""


def format_of(data: bytes) -> str:
    """Return the key of :data:`FORMATS` that encoded data belongs to, by its first bytes; or ""."""
    for name, signatures in FORMATS.items():
        if data.startswith(signatures):
            return name
    return ""


def encoded_wh(data: bytes) -> tuple[int, int] | None:
    """Return width and height that the header of a JPEG or PNG states, in pixels.

    Args:
        data: of the file, from its first byte.

    Returns:
        None for other formats, and where the header is cut off or states no size.
    """
    if data.startswith(PNG):
        if len(data) < 24 or data[12:16] != b"IHDR":
            return None
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return _jpeg_wh(data) if data.startswith(JPEG) else None


def size_problem(data: bytes, max_megapixels: float) -> str:
    """Return why the size in an encoded image's header is refused; "" if it is not."""
    wh = encoded_wh(data)
    if wh is None or wh[0] * wh[1] <= max_megapixels * 1e6:
        return ""
    return f"it states {wh[0]:,} x {wh[1]:,} pixels; at most {max_megapixels:g} million are decoded"


def decode_file(
    path: Path,
    *,
    turn: bool = True,
    on_warning: Callable[[str], None] = lambda _: None,
) -> Pixels | None:
    """Return an image file as ``(H, W, 3)`` uint8 RGB; None if OpenCV can't read its format.

    Args:
        path: of a regular file.
        turn: rotate it as its EXIF data states.
        on_warning: called with a sentence about each guess.

    Raises:
        UserError: it is truncated, is damaged, has values that are not colours, or states more
            pixels than :data:`MAX_FILE_MEGAPIXELS`.
    """
    raw = path.read_bytes()
    if problem := size_problem(raw, MAX_FILE_MEGAPIXELS):
        raise UserError(f"{path} is not decoded: {problem}")
    try:
        return decode_image(raw, turn=turn, on_warning=on_warning)
    except ColourError as error:
        raise UserError(f"{str(path)!r} {error}; convert it to 8 or 16 bits a colour") from error
    except ImageError as error:
        if format_of(raw):
            raise UserError(f"{str(path)!r} {error}; write it again") from error
        return None


def damage(raw: bytes) -> str:
    """Return what is wrong with an image file in a few words; "" if it can be decoded completely.

    Takes less time than decoding: most JPEGs are decoded to an eighth of their size.
    """
    if problem := size_problem(raw, MAX_FILE_MEGAPIXELS):
        return f"is not decoded: {problem}"
    ordinary = format_of(raw) == "jpeg" and not read_scans(raw).is_progressive
    flags = cv2.IMREAD_REDUCED_COLOR_8 if ordinary else cv2.IMREAD_UNCHANGED
    flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        _whole(raw, flags)
    except ImageError as error:
        return str(error)
    return ""


def decode_image(
    raw: bytes,
    stated: str = "",
    *,
    turn: bool = False,
    on_warning: Callable[[str], None] = lambda _: None,
) -> Pixels:
    """Return the RGB pixels of an encoded image, whatever it comes from.

    Args:
        raw: the image, whose size has been checked (:func:`size_problem`).
        stated: ``format`` of a compressed message, such as ``16UC1; png compressed``. It
            distinguishes measurements from brightness, a Bayer pattern from grey, and RGB from BGR.
        turn: rotate it as its EXIF data states. Not for cameras: their calibration is without that.
        on_warning: called with a sentence about each guess.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous.

    Raises:
        ImageError: it is truncated or can't be decoded.
    """
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    flags |= 0 if turn else cv2.IMREAD_IGNORE_ORIENTATION
    image = _whole(raw, flags)
    if image.ndim == 3 and image.dtype.kind == "f":
        image = _of_float_colours(image, on_warning)
    encoding = _encoding_of(image, stated)
    if encoding in ("16UC1", "32FC1") and not stated:
        on_warning(
            f"it holds {image.dtype} values up to {image.max():g}, which is taken for a "
            "measurement, such as depth: they are scaled to black and white"
        )
    if encoding == "32FC1":
        image = image.astype(np.float32)
    return np.ascontiguousarray(to_rgb8(encoding, image))


def _of_float_colours(image: NDArray[Any], on_warning: Callable[[str], None]) -> NDArray[Any]:
    """Return colours of 8 bits; those of floating point are shares, or the same 0 to 255.

    Raises:
        ColourError: they are neither.
    """
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 255):  # also NaN
        raise ColourError(f"has colours of type {image.dtype} from {low:g} to {high:g}")
    full = 1 if high <= 1 else 255
    on_warning(f"its colours are {image.dtype} values up to {high:g}, taken for 0 to {full}")
    return np.rint(image * (255 / full)).astype(np.uint8)


def _decoded(raw: bytes, flags: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(raw, np.uint8), flags) if raw else None
    except cv2.error:
        return None


def _encoding_of(image: NDArray[Any], stated: str) -> str:
    """Which key of ``LAYOUTS`` an array as OpenCV decodes it has."""
    bits = "8" if image.dtype == np.uint8 else "16"
    if image.ndim == 3:
        if image.dtype not in (np.uint8, np.uint16):
            raise ColourError(f"has colours of type {image.dtype}")
        # OpenCV decodes to BGR; publishers that skip the swap before encoding say "compressed rgb".
        order = "rgb" if "compressed rgb" in stated else "bgr"
        return order + ("a" if image.shape[2] == 4 else "") + bits
    name = stated.partition(";")[0].strip()
    if name.startswith("bayer_") and (pattern := name.rstrip("0123456789") + bits) in LAYOUTS:
        return pattern
    if image.dtype != np.uint16:
        return "mono8" if image.dtype == np.uint8 else "32FC1"
    measured = name == "16UC1" or (name != "mono16" and looks_measured(image))
    return "16UC1" if measured else "mono16"


def _whole(raw: bytes, flags: int) -> NDArray[Any]:
    """Decode an image, and refuse one whose data ends before the image does.

    libjpeg fills in what is missing and only prints a warning, even if a truncated JPEG was closed
    with an end marker. So some bytes are inserted before the end marker: in a complete image they
    change nothing, because everything was decoded before; in a truncated one they are decoded.

    Raises:
        ImageError: it is cut off, or can't be decoded.
    """
    kind = format_of(raw)
    scans = read_scans(raw) if kind == "jpeg" else None
    cut = kind == "png" and raw.rfind(b"IEND") < 0
    if cut or (scans is not None and (scans.end is None or not scans.are_complete)):
        raise ImageError(f"is a {kind.upper()} that is cut off ({len(raw)} bytes)")
    image = _decoded(raw, flags)
    if image is None:
        raise ImageError("can't be decoded: it is damaged, or OpenCV has no decoder for it")
    # The missing part of an ordinary JPEG is grey: only then is the second decoding needed.
    if scans is not None and (scans.is_progressive or _ends_gray(image)):
        more = _decoded(raw[: scans.end] + _FILLING + raw[scans.end :], flags)
        if more is None or not np.array_equal(more, image):
            raise ImageError(f"is a JPEG that was cut off and closed ({len(raw)} bytes)")
    return image


def _ends_gray(image: NDArray[Any]) -> bool:
    """Whether a corner has the grey that libjpeg fills in; which corner depends on the rotation."""
    rows, columns = image.shape[:2]
    corners = ((0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1))
    return any((np.abs(image[corner].astype(int) - 128) <= 2).all() for corner in corners)


def _jpeg_wh(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _ALONE:  # fill byte, or the end
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        if marker == 0xDA:  # the image itself begins, without a frame before it
            return None
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def encode_jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    """Return ``(H, W, 3)`` RGB as a JPEG image.

    Args:
        pixels: uint8, at most 65,500 wide and high.
        quality: 1 to 100.

    Raises:
        ValueError: it is empty or too large for a JPEG.
    """
    try:
        done, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"an image of {pixels.shape[1]}x{pixels.shape[0]} can't be a JPEG")
    return data.tobytes()
