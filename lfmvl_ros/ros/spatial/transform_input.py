# SPDX-License-Identifier: Apache-2.0
"""``/tf`` and ``/tf_static`` of the node, for all of its cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from tf2_msgs.msg import TFMessage

from lfmvl_ros.core.spatial.transforms import TransformBuffer
from lfmvl_ros.core.warn_once import WarnOnce
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.place_messages import to_edge
from lfmvl_ros.ros.streams import StreamReader

# Transforms in a row that are older than what is kept: time has started again.
_RESTART_AFTER = 5


class TransformInput:
    """Subscribes while at least one camera needs transforms.

    Args:
        node: which has the topics.
        streams: reads them.
    """

    def __init__(self, node: Node, streams: StreamReader) -> None:
        self._node, self._streams = node, streams
        self.buffer = TransformBuffer()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._subscriptions: list[Subscription] = []
        self._too_old = 0
        self._warn = WarnOnce(lambda sentence: node.get_logger().warning(sentence))
        self.received = self.dropped = 0

    def open(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` from now on whenever transforms have come."""
        with self._lock:
            self._listeners.append(listener)
            if not self._subscriptions:
                self._subscribe()

    def close(self, listener: Callable[[], None]) -> None:
        """Undo :meth:`open`."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            done = [] if self._listeners else self._subscriptions
            if done:
                self._subscriptions = []
        for subscription in done:
            self._streams.unsubscribe(subscription)

    def restart(self) -> None:
        """Forget all but the static transforms: time has started again."""
        self.buffer.clear()

    def _subscribe(self) -> None:
        def moving(message: TFMessage, _info: dict[str, int]) -> None:
            self._take(message, static=False)

        def fixed(message: TFMessage, _info: dict[str, int]) -> None:
            self._take(message, static=True)

        self.buffer = TransformBuffer()  # what came before may hold no longer
        self._too_old = 0
        subscribe = self._streams.subscribe
        self._subscriptions = [
            subscribe(TFMessage, "/tf", moving, qos.own(qos.TRANSFORMS)),
            subscribe(TFMessage, "/tf_static", fixed, qos.own(qos.STATIC_TRANSFORMS)),
        ]

    def _take(self, message: TFMessage, *, static: bool) -> None:
        for item in message.transforms:
            self.received += 1
            try:
                edge = to_edge(item)
                kept = self.buffer.add(*edge, static=static)
            except (ConversionError, ValueError) as error:
                self.dropped += 1
                self._warn(f"a transform is dropped: {error}")
                continue
            if static:
                continue
            self._too_old = 0 if kept else self._too_old + 1
            self.dropped += not kept
            if self._too_old == _RESTART_AFTER:
                self._too_old = 0
                self._node.get_logger().warning(
                    "stamps of /tf jumped back; all but static transforms are forgotten"
                )
                self.buffer.clear()
        for listener in list(self._listeners):
            listener()
