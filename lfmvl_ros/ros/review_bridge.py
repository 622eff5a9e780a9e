# SPDX-License-Identifier: Apache-2.0
"""Listens to ``review`` topics and publishes answers; for ``lfmvl review``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from std_msgs.msg import String

from lfmvl_ros.ros import qos
from lfmvl_ros.ros.ros_context import start_ros


class ReviewBridge:
    """A node of its own, in a thread.

    Args:
        topics: names of ``review`` topics; answers go to the same names with ``_answers``.
        on_document: takes a topic's name and the text of each message, in the node's thread.
    """

    def __init__(self, topics: Sequence[str], on_document: Callable[[str, str], None]) -> None:
        self._context = Context()
        start_ros(context=self._context)
        self._node = rclpy.create_node("lfmvl_review", context=self._context)
        self._publishers = {
            topic: self._node.create_publisher(String, f"{topic}_answers", qos.own(qos.EVENTS))
            for topic in topics
        }
        for topic in topics:
            self._node.create_subscription(
                String,
                topic,
                lambda message, topic=topic: on_document(topic, message.data),
                qos.own(qos.REVIEW),
            )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="review", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def publish(self, topic: str, text: str) -> bool:
        """Publish an answer about an item of a topic; False while nobody listens."""
        publisher = self._publishers.get(topic)
        if publisher is None or not publisher.get_subscription_count():
            return False
        publisher.publish(String(data=text))
        return True

    def close(self) -> None:
        """End the node."""
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(2.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def __enter__(self) -> ReviewBridge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
