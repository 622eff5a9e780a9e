# SPDX-License-Identifier: Apache-2.0
"""Transforms and depth images of messages, of the node's and of a bag's. Imports no ROS."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.ros.sensors.depth_decoding import decode_compressed_depth, decode_depth
from lfmvl_ros.ros.sensors.stamps import stamp_ns

Edge = tuple[str, str, int, tuple[float, float, float], tuple[float, float, float, float]]


def to_edge(item: Any) -> Edge:
    """Return parent, child, stamp in ns, translation in m and rotation x, y, z, w.

    Args:
        item: a ``geometry_msgs/TransformStamped``.

    Raises:
        ConversionError: the stamp is impossible.
    """
    move, turn = item.transform.translation, item.transform.rotation
    return (
        item.header.frame_id,
        item.child_frame_id,
        stamp_ns(item.header.stamp),
        (move.x, move.y, move.z),
        (turn.x, turn.y, turn.z, turn.w),
    )


def to_depth_image(
    message: Any, *, near_m: float, far_m: float, max_megapixels: float = 64.0
) -> DepthImage:
    """Return the depth image of a message, with the frame of its header.

    Args:
        message: a raw ``sensor_msgs/Image``, or a ``CompressedImage`` of ``compressedDepth``.
        near_m: at or below it, there is no depth.
        far_m: nor at or beyond it.
        max_megapixels: compressed images that state more million pixels are not decoded.

    Raises:
        ConversionError: see :mod:`lfmvl_ros.ros.sensors.depth_decoding`.
    """
    if hasattr(message, "encoding"):
        depth = decode_depth(
            message.encoding,
            message.data,
            (int(message.width), int(message.height)),
            int(message.step),
            big_endian=bool(message.is_bigendian),
        )
    else:
        depth = decode_compressed_depth(message.format, message.data, max_megapixels=max_megapixels)
    header = message.header
    stamp = stamp_ns(header.stamp)
    return DepthImage.from_m(depth, stamp, header.frame_id, near_m=near_m, far_m=far_m)
