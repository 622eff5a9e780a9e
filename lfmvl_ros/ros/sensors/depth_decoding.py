# SPDX-License-Identifier: Apache-2.0
"""Bytes of a depth message -> metres. No ROS in here.

Encodings are those of REP 118: ``16UC1`` in millimetres, 0 where there is no depth; ``32FC1`` in
metres, NaN where there is none. ``mono16`` is read as ``16UC1``, as depth_image_proc does.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import PNG, size_problem
from lfmvl_ros.ros.sensors.pixels import ConversionError, check_raw

Metres = NDArray[np.float32]

MILLIMETRES, METRES = ("16UC1", "mono16"), ("32FC1",)
# No depth camera or lidar of a robot sees this far: 32FC1 holds millimetres then.
_FAR_M = 500.0
# compressed_depth_image_transport's ConfigHeader: an enum and two floats, little endian.
_HEADER = struct.Struct("<iff")


def decode_depth(
    encoding: str, data: Any, wh: tuple[int, int], step: int, *, big_endian: bool = False
) -> Metres:
    """Return the depth of a raw image.

    Args:
        encoding: ``16UC1``, ``mono16`` or ``32FC1``.
        data: any object with the buffer protocol.
        wh: width and height, px.
        step: bytes from one row to the next.
        big_endian: byte order.

    Returns:
        ``(H, W)`` float32, m; 0, infinite or NaN where there is no depth.

    Raises:
        ConversionError: another encoding (``unsupported_encoding``), sizes that don't fit
            (``corrupt``), or ``32FC1`` that can't be metres (``wrong_unit``).
    """
    if encoding not in MILLIMETRES + METRES:
        raise ConversionError(
            f"depth encoding {encoding!r} is not supported; expected 16UC1 (mm) or 32FC1 (m)",
            "unsupported_encoding",
        )
    buffer = np.frombuffer(data, np.uint8)
    check_raw(encoding, buffer.size, wh, step)
    width, height = wh
    kind = np.dtype(np.float32 if encoding in METRES else np.uint16)
    rows = buffer[: step * height].reshape(height, step)[:, : width * kind.itemsize]
    values = np.ascontiguousarray(rows).view(kind.newbyteorder(">" if big_endian else "<"))
    return _in_metres(values)


def decode_compressed_depth(format_: str, data: Any, *, max_megapixels: float = 64.0) -> Metres:
    """Return the depth of a message of ``compressedDepth``, with PNG inside.

    Args:
        format_: the message's ``format``, such as ``16UC1; compressedDepth png``.
        data: any object with the buffer protocol.
        max_megapixels: images that state more million pixels are not decoded.

    Returns:
        As :func:`decode_depth`.

    Raises:
        ConversionError: as :func:`decode_depth`.
    """
    raw = bytes(data)
    encoding, _, codec = (part.strip() for part in format_.partition(";"))
    if encoding not in MILLIMETRES + METRES or "compressedDepth" not in codec or "rvl" in codec:
        raise ConversionError(
            f"depth format {format_!r} is not supported; expected '16UC1; compressedDepth png' or "
            "'32FC1; compressedDepth png'",
            "unsupported_encoding",
        )
    image = raw[_HEADER.size :]
    if not image.startswith(PNG) or image.rfind(b"IEND") < 0:
        raise ConversionError(
            f"depth image {format_!r} of {len(raw)} bytes holds no complete PNG image"
        )
    if problem := size_problem(image, max_megapixels):
        raise ConversionError(f"depth image {format_!r}: {problem}")
    try:
        values = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ConversionError(f"depth image {format_!r}: {error.err}") from error
    if values is None or values.ndim != 2 or values.dtype != np.uint16:
        raise ConversionError(f"depth image {format_!r} holds no 16-bit gray image")
    if encoding in MILLIMETRES:
        return _in_metres(values)
    _, a, b = _HEADER.unpack_from(raw)  # depth = a / (value - b), 0 where there is none
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (values.astype(np.float32) - np.float32(b))
    return _in_metres(np.where(values == 0, np.float32(np.nan), depth).astype(np.float32))


def _in_metres(values: NDArray[Any]) -> Metres:
    if values.dtype.kind == "u":
        return np.asarray(values.astype(np.float32) * np.float32(0.001))
    depth = values.astype(np.float32, copy=False)
    sample = depth[::8, ::8]
    sample = sample[np.isfinite(sample) & (sample > 0)]
    if sample.size and (middle := float(np.median(sample))) > _FAR_M:
        raise ConversionError(
            f"32FC1 depth has a median of {middle:.0f}: metres are expected (REP 118), these look "
            "like millimetres",
            "wrong_unit",
        )
    return depth
