# SPDX-License-Identifier: Apache-2.0
"""Subscribes to an image topic for a few seconds and reports on it; for ``lfmvl doctor``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.safe_text import shortened
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.image_subscription import subscribe_to_images
from lfmvl_ros.ros.ros_context import start_ros
from lfmvl_ros.ros.sensors.arrivals import NOTHING_YET, ArrivalMonitor, ArrivalStatus
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.transport import fast_dds, middleware

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_DISCOVERY_S = 5.0  # enough for a busy machine; the wait ends once the topic is found


@dataclass(frozen=True)
class TopicReport:
    """What was received from a topic.

    Attributes:
        topic: its full name.
        kind: its message type, "" without a publisher.
        publishers: number of publishers.
        rate_hz: messages per second; received: how many.
        encodings: encodings (or compressed formats) seen, each once.
        sizes: image sizes seen, (width, height) in pixels.
        message_bytes: size of the largest message's image.
        problem: why an image could not be used, "" when all could.
        unstamped: messages with stamp zero; backwards: those older than the one before.
        age_s: age of the newest stamp on arrival, by this machine's clock; None without one.
        others: all image topics.
        arrivals: how many images arrived, were lost on the way, or never sent.
        segment_bytes: shared-memory segment of the first publisher's process; None: unknown.
        same_host: whether the first publisher runs on this machine, as far as Fast DDS reports it.
    """

    topic: str
    kind: str
    publishers: int
    rate_hz: float = 0.0
    received: int = 0
    encodings: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    message_bytes: int = 0
    problem: str = ""
    unstamped: int = 0
    backwards: int = 0
    age_s: float | None = None
    others: tuple[str, ...] = ()
    arrivals: ArrivalStatus = NOTHING_YET
    segment_bytes: int | None = None
    same_host: bool = True


def probe(topic: str, seconds: float) -> TopicReport:
    """Listen to an image topic, raw or compressed, in a context of its own.

    Raises:
        UserError: ROS takes no such name, or can't start.
    """
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        raise UserError(
            f"{shortened(topic, 80)!r} is not a topic name; give one such as /camera/image_raw"
        ) from error
    context = Context()
    start_ros(context=context)
    node = rclpy.create_node("lfmvl_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        return _probe(node, executor, topic, seconds)
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.shutdown(context=context)


def _probe(node: Node, executor: SingleThreadedExecutor, topic: str, seconds: float) -> TopicReport:
    name = node.resolve_topic_name(topic)
    kinds = _wait_for(node, executor, name)
    if kinds.get(name) not in (_IMAGE, _COMPRESSED):
        others = tuple(sorted(n for n, kind in kinds.items() if kind in (_IMAGE, _COMPRESSED)))
        return TopicReport(name, kinds.get(name, ""), node.count_publishers(name), others=others)
    listener = _Listener()
    kind = Image if kinds[name] == _IMAGE else CompressedImage
    arrivals = ArrivalMonitor()
    subscribe_to_images(node.create_subscription, kind, name, listener, qos.SENSOR, arrivals)
    first_s = time.monotonic()
    end_s = first_s + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=min(left_s, 0.1))
    report = listener.report(name, kinds[name], node.count_publishers(name), seconds)
    return replace(report, arrivals=arrivals.status(), **_publisher(node, name))


def _publisher(node: Node, name: str) -> dict[str, Any]:
    """Return where the topic's first publisher runs and which segment it has."""
    gids = [list(info.endpoint_gid) for info in node.get_publishers_info_by_topic(name)]
    own = [list(info.endpoint_gid) for info in node.get_subscriptions_info_by_topic(name)
           if info.node_name == node.get_name()]  # fmt: skip
    if not gids or not own or not middleware.is_fast_dds(get_rmw_implementation_identifier()):
        return {}
    return {
        "segment_bytes": fast_dds.segment_of(gids[0], own[0]),
        "same_host": gids[0][:4] == own[0][:4],
    }


def _wait_for(node: Node, executor: SingleThreadedExecutor, name: str) -> dict[str, str]:
    """Return topic -> type once the topic has a publisher, or after the time discovery takes."""
    deadline_s = time.monotonic() + _DISCOVERY_S
    while not node.count_publishers(name) and time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.05)
    offered = {n: kinds[0] for n, kinds in node.get_topic_names_and_types() if kinds}
    return {n: kind for n, kind in offered.items() if node.count_publishers(n)}


class _Listener:
    """Counts messages; decodes the first image of each encoding and size."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._seen: dict[tuple[str, tuple[int, int]], None] = {}
        self._bytes = self._unstamped = self._backwards = 0
        self._stamp_ns = 0
        self._age_s: float | None = None
        self._problem = ""

    def __call__(self, message: Image | CompressedImage) -> None:
        self._times_s.append(time.monotonic())
        self._bytes = max(self._bytes, len(message.data))
        self._note_stamp(message)
        raw = isinstance(message, Image)
        key = (message.encoding, (message.width, message.height)) if raw else None
        if key is not None and key in self._seen:
            return
        try:
            frame: Frame = conversions.frame_from_image(message, receipt_ns=1)
        except ConversionError as error:
            self._problem = str(error)
            return
        self._seen[key or (message.format, frame.wh)] = None

    def _note_stamp(self, message: Image | CompressedImage) -> None:
        if not conversions.has_stamp(message):
            self._unstamped += 1
            return
        try:
            stamp_ns = conversions.stamp_ns(message.header.stamp)
        except ConversionError as error:
            self._problem = str(error)
            return
        self._backwards += stamp_ns < self._stamp_ns
        self._stamp_ns = stamp_ns
        self._age_s = (time.time_ns() - stamp_ns) / 1e9

    def report(self, topic: str, kind: str, publishers: int, seconds: float) -> TopicReport:
        """Return what was seen in ``seconds``; the rate is that between first and last."""
        count = len(self._times_s)
        span_s = self._times_s[-1] - self._times_s[0] if count > 1 else seconds
        return TopicReport(
            topic, kind, publishers,
            rate_hz=max(count - 1, min(count, 1)) / max(span_s, 1e-3),
            received=count,
            encodings=tuple(dict.fromkeys(encoding for encoding, _ in self._seen)),
            sizes=tuple(dict.fromkeys(wh for _, wh in self._seen)),
            message_bytes=self._bytes,
            problem=self._problem,
            unstamped=self._unstamped,
            backwards=self._backwards,
            age_s=self._age_s,
        )  # fmt: skip
