# SPDX-License-Identifier: Apache-2.0
"""How large a JPEG or PNG says it is, before memory is taken for it.

A file of 100 kB can state 30,000 x 30,000 pixels: decoded, that is 2.7 GB and half a minute.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
MAX_FILE_MEGAPIXELS = 256  # phones take 200
"""Most pixels of an image file, in millions. OpenCV refuses larger ones of any format as well,
where ``OPENCV_IO_MAX_IMAGE_PIXELS`` does not say otherwise (see ``lfmvl_ros/__init__.py``)."""

# Start of frame: baseline, progressive, lossless ... , but not DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


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
    """Return what is wrong with the stated size of an encoded image; "" where nothing is."""
    wh = encoded_wh(data)
    if wh is None or wh[0] * wh[1] <= max_megapixels * 1e6:
        return ""
    return f"it states {wh[0]:,} x {wh[1]:,} pixels; at most {max_megapixels:g} million are decoded"


def decode_file(path: Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8] | None:
    """Return an image file as ``(H, W, 3)`` BGR uint8; None where OpenCV can't read it.

    Args:
        path: of a regular file.
        flags: of ``cv2.imread``.

    Raises:
        UserError: the image states more pixels than :data:`MAX_FILE_MEGAPIXELS`.
    """
    data = np.fromfile(path, np.uint8)
    if problem := size_problem(data.tobytes(), MAX_FILE_MEGAPIXELS):
        raise UserError(f"{path} is not decoded: {problem}")
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:  # one of another format, and too large
        return None
    return cast(NDArray[np.uint8], image) if image is not None else None


def _jpeg_wh(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _ALONE:  # fill byte, or nothing behind it
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        if marker == 0xDA:  # the image itself begins, without a frame before it
            return None
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
