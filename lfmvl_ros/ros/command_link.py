# SPDX-License-Identifier: Apache-2.0
"""Connects a program that sends commands to a node: ``lfmvl mcp`` and ``lfmvl say``."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.exceptions import InvalidHandle, InvalidNamespaceException, InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.validate_namespace import validate_namespace
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from lfmvl_ros.agents.link import AnnotatedImage
from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text, quoted, safe_text
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.received_documents import command_result_from
from lfmvl_ros.ros.ros_context import start_ros

# With the names of a node's topics and services behind it, a name may have 247 characters.
_LONGEST_NAMESPACE = 180
_log = logging.getLogger(__name__)


class CommandLink:
    """Topics ``command`` and ``command_result`` of a node, and its annotated frames.

    It has a ROS context and a thread of its own, from ``with`` on.

    Args:
        namespace: of the node, such as ``/lfmvl``.
        domain: the node's ROS domain; None: that of the environment.
        client: part of this program's node name.

    Raises:
        UserError: ROS can't start, or the name is not a valid namespace.
    """

    def __init__(self, namespace: str, domain: int | None = None, client: str = "mcp") -> None:
        self._listeners: dict[str, Callable[[dict[str, Any]], object]] = {}
        self._context = Context()
        self.namespace = f"/{namespace.strip('/')}"
        if not _is_namespace(self.namespace):
            raise UserError(
                f"{quoted(namespace)} is not a namespace; give one such as /lfmvl, of at most "
                f"{_LONGEST_NAMESPACE} letters, digits and underscores"
            )
        start_ros(context=self._context, domain=domain)
        self.domain = self._context.get_domain_id()
        self._node = rclpy.create_node(
            f"lfmvl_{client}_{os.getpid()}", context=self._context, namespace=self.namespace
        )
        self._commands = self._node.create_publisher(String, "command", qos.own(qos.REQUESTS))
        self._results = self._node.create_subscription(
            String, "command_result", self._on_result, qos.own(qos.REQUESTS)
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="link", daemon=True)

    def __enter__(self) -> CommandLink:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._commands.wait_for_all_acked(Duration(seconds=1.0))  # the last one may be a cancel
        self._stop.set()
        self._thread.join(2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def nodes(self) -> frozenset[bytes]:
        """Return identifiers of the nodes that take commands and answer them; may be empty."""
        if not self._commands.get_subscription_count():
            return frozenset()
        return frozenset(
            bytes(info.endpoint_gid)
            for info in self._node.get_publishers_info_by_topic(self._results.topic_name)
        )

    def namespaces(self) -> frozenset[str]:
        """Return all namespaces of the domain in which something answers commands."""
        ends = "/command_result"
        return frozenset(
            topic.removesuffix(ends) or "/"
            for topic, _ in self._node.get_topic_names_and_types()
            if topic.endswith(ends) and self._node.count_publishers(topic)
        )

    def send(self, document: Mapping[str, Any]) -> None:
        """Send a command."""
        self._commands.publish(String(data=json_text(document)))

    def listen(self, id_: str, on_result: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
        """Call ``on_result`` with every result of a command.

        Returns:
            A function that ends this.
        """
        self._listeners[id_] = on_result
        return lambda: self._forget(id_)

    def watch(
        self, camera: str, on_image: Callable[[AnnotatedImage], object]
    ) -> Callable[[], None]:
        """Call ``on_image`` with every annotated frame of a camera.

        Returns:
            A function that ends this.

        Raises:
            UserError: no topic can have this name.
        """
        topic = topic_prefix(camera.lstrip("/")) + "debug_image/compressed"
        try:
            subscription = self._node.create_subscription(
                CompressedImage,
                topic,
                lambda message: _pass_on(message, on_image),
                qos.own(qos.SENSOR),
            )
        except (InvalidTopicNameException, ValueError) as error:
            raise UserError(f"{camera!r} is not the name of a camera") from error
        # The executor must not be waiting for it when it goes.
        return lambda: self._in_thread(lambda: self._node.destroy_subscription(subscription))

    def _forget(self, id_: str) -> None:
        self._listeners.pop(id_, None)

    def _on_result(self, message: String) -> None:
        try:
            document = command_result_from(message.data)
        except ValueError as error:
            _log.warning("a message of command_result can't be used: %s", safe_text(str(error)))
            return
        on_result = self._listeners.get(document["id"])
        if on_result is not None:
            on_result(document)

    def _in_thread(self, function: Callable[[], object]) -> None:
        if not self._stop.is_set():
            self._executor.create_task(function)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while not self._stop.is_set():
                with contextlib.suppress(InvalidHandle):  # as in process.py
                    self._executor.spin_once(timeout_sec=0.2)


def _pass_on(message: CompressedImage, on_image: Callable[[AnnotatedImage], object]) -> None:
    kind = "image/png" if "png" in message.format else "image/jpeg"
    on_image(AnnotatedImage(bytes(message.data), kind, conversions.stamp_ns(message.header.stamp)))


def _is_namespace(name: str) -> bool:
    """Tell whether a node and its topics may be there; rclpy fails on what is no ASCII."""
    if len(name) > _LONGEST_NAMESPACE or not name.isascii():
        return False
    try:
        validate_namespace(name)
    except InvalidNamespaceException:
        return False
    return True
