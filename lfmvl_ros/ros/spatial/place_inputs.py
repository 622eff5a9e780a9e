# SPDX-License-Identifier: Apache-2.0
"""Depth images and their calibration, from one camera's topics."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.sensors.place_data import PlaceData, Problem
from lfmvl_ros.ros.streams import StreamReader


class PlaceInputs:
    """Depth and calibration of one camera, from :meth:`open` to :meth:`close`.

    Args:
        node: which has the topics.
        streams: reads them.
        prefix: of the camera's topics.
        settings: asked for the settings in force.
        came: called when a depth image has come.
        note: called with what is wrong.

    Attributes:
        data: what has come.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        prefix: str,
        settings: Callable[[], PerceptionSettings],
        came: Callable[[], None],
        note: Callable[[Problem], None],
    ) -> None:
        self._node, self._streams, self._prefix = node, streams, prefix
        self._settings, self._came = settings, came
        self._subscriptions: list[Subscription] = []
        self.data = PlaceData(settings, note)

    def open(self, *, rectified: bool, depth: bool) -> str:
        """Start from nothing.

        Args:
            rectified: the camera's images are.
            depth: subscribe to depth images and their calibration.

        Returns:
            The resolved topic of the depth images; "" without.
        """
        self.data.reset(rectified=rectified)
        if not depth:
            return ""
        compressed = self._settings().spatial.compressed_depth
        topic = self._depth_topic(compressed)
        self._subscriptions = [
            self._streams.subscribe(
                CompressedImage if compressed else Image,
                topic,
                self._on_depth,
                qos.own(qos.SENSOR),
                qos_overriding_options=qos.overridable(),
            ),
            self._streams.subscribe(
                CameraInfo,
                f"{self._prefix}depth/camera_info",
                self._on_depth_info,
                qos.own(qos.NEWEST),
                qos_overriding_options=qos.overridable(),
            ),
        ]
        return str(self._node.resolve_topic_name(topic))

    def _depth_topic(self, compressed: bool) -> str:
        """Return the depth topic: below the raw one's, also where that is remapped."""
        raw = f"{self._prefix}depth/image"
        return self._node.resolve_topic_name(raw) + "/compressedDepth" if compressed else raw

    def close(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._streams.unsubscribe(self._subscriptions.pop())

    # -- messages ----------------------------------------------------------------------------------

    def _on_depth(self, message: Image | CompressedImage, _info: dict[str, int]) -> None:
        self.data.depth(message)
        self._came()

    def _on_depth_info(self, message: CameraInfo, _info: dict[str, int]) -> None:
        self.data.depth_info(message)
