# SPDX-License-Identifier: Apache-2.0
"""From image messages to frames, as one node does it."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.cv_bridge_codec import CvBridgeAdapter


def image_topic(node: Node, prefix: str, compressed: bool) -> str:
    """Return the name under which to subscribe to a camera's images.

    ``<prefix>image_raw``, or with ``compressed`` what image_transport makes of it: whatever topic
    ``image_raw`` is remapped to, followed by ``/compressed``. A remapping of
    ``image_raw/compressed`` itself wins.
    """
    raw = prefix + "image_raw"
    if not compressed:
        return raw
    own = f"{raw}/compressed"
    if node.resolve_topic_name(own) != node.resolve_topic_name(own, only_expand=True):
        return own
    base = node.resolve_topic_name(raw)
    return base if base.endswith("/compressed") else f"{base}/compressed"


class ImageReader:
    """Decodes with ``cv_bridge`` or our own codec, and logs once which.

    Args:
        node: that logs.
        max_megapixels: asked for the most million pixels of a compressed image.
    """

    def __init__(self, node: Node, max_megapixels: Callable[[], float]) -> None:
        self._bridge, self._max_megapixels = CvBridgeAdapter(), max_megapixels
        codec = "cv_bridge" if self._bridge.works else "the built-in codec"
        self._node, self._remarked = node, False
        node.get_logger().info(f"images are decoded by {codec} ({self._bridge.reason})")

    def __call__(self, message: Image | CompressedImage, camera: str = "") -> Frame:
        """Return the frame of a camera's message, with ``stamp_ns`` 0 if it has no stamp.

        Raises:
            ConversionError: it can't be used.
        """
        if isinstance(message, Image) and message.encoding == "8UC3" and not self._remarked:
            self._remarked = True
            self._node.get_logger().warning(
                "encoding 8UC3 does not state the order of colours; bgr8 is assumed. Set "
                "the encoding in the camera's driver"
            )
        return conversions.frame_from_image(
            message, self._bridge, camera=camera, max_megapixels=self._max_megapixels()
        )
