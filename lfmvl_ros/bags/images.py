# SPDX-License-Identifier: Apache-2.0
"""Image messages of a bag -> frames, by the decoders of the node."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.ros.sensors.pixels import decode_compressed, decode_raw
from lfmvl_ros.ros.sensors.stamps import stamp_ns


def frame_of(message: Any, *, camera: str = "", max_megapixels: float = 64.0) -> Frame:
    """Return the frame of an ``Image`` or a ``CompressedImage``, ``stamp_ns`` 0 without a stamp.

    Raises:
        ConversionError: it can't be used.
    """
    taken_ns = stamp_ns(message.header.stamp)
    if hasattr(message, "encoding"):
        pixels = decode_raw(
            message.encoding,
            message.data,
            (int(message.width), int(message.height)),
            int(message.step),
            big_endian=bool(message.is_bigendian),
        )
    else:
        pixels = decode_compressed(message.format, message.data, max_megapixels=max_megapixels)
    return Frame(pixels, taken_ns, message.header.frame_id, camera)
