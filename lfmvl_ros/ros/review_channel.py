# SPDX-License-Identifier: Apache-2.0
"""One camera's review gate: events that are held go out on ``review``, answers come back."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from std_msgs.msg import String

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import ReviewSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.review import (
    GateStatus,
    ReviewGate,
    ReviewItem,
    Settled,
    crop,
    read_answer,
)
from lfmvl_ros.core.rules import Event, Rule
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.streams import StreamReader


class ReviewChannel:
    """The review gate of one camera. Not thread-safe, except for its callbacks.

    Args:
        node: publishes what is held.
        streams: reads the answers.
        gate: everything is published through it.
        camera: name; "" when it is the only one.
        settings: returns the settings in force.
        on_answer: takes the text of each answer, in a thread of ``streams``.
        on_warning: called with each problem.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        gate: Gate,
        camera: str,
        settings: Callable[[], ReviewSettings],
        on_answer: Callable[[str], None],
        on_warning: Callable[[str], None],
    ) -> None:
        self._node, self._streams, self._gate = node, streams, gate
        self._camera, self._prefix = camera, topic_prefix(camera)
        self._settings, self._on_answer, self._on_warning = settings, on_answer, on_warning
        self._held = ReviewGate()
        self._subscription: Subscription | None = None
        self._items = node.create_lifecycle_publisher(
            String,
            f"{self._prefix}review",
            qos.own(qos.REVIEW),
            qos_overriding_options=qos.overridable(),
        )

    def activate(self) -> None:
        """Let the topic of a node that is active already publish."""
        self._items.on_activate(None)

    def start(self) -> None:
        """Listen to answers."""
        self._subscription = self._streams.subscribe(
            String,
            f"{self._prefix}review_answers",
            lambda message, _info: self._on_answer(message.data),
            qos.own(qos.EVENTS),
            qos_overriding_options=qos.overridable(),
        )

    def stop(self) -> None:
        """Listen no more."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._streams.unsubscribe(subscription)

    def close(self) -> None:
        """Withdraw the topic."""
        self._node.destroy_lifecycle_publisher(self._items)

    def status(self) -> GateStatus:
        """Return the counters of the gate."""
        return self._held.status()

    def take(self, event: Event, rule: Rule | None, frame: Frame | None) -> tuple[Event, ...]:
        """Take the next message about an event; return what is to be published now."""
        settings = self._settings()
        events, item = self._held.take(event, rule, settings, time.monotonic())
        if item and rule is not None and frame is not None:
            self._gate.call(self._ask, item, event, rule, frame, settings.timeout_s)
        return events

    def answer(self, text: str) -> tuple[Event, ...]:
        """Take an answer; return the events to publish now."""
        try:
            answer = read_answer(text)
        except UserError as error:
            self._on_warning(f"an answer on review_answers is ignored: {error}")
            return ()
        settled = self._held.answer(answer)
        return () if settled is None else self._publish_settled([settled])

    def expire(self) -> tuple[Event, ...]:
        """Settle events that timed out; return the events to publish now."""
        return self._publish_settled(self._held.expire(time.monotonic()))

    def settle_all(self) -> tuple[Event, ...]:
        """Settle all events, because the node stops; return the events to publish now."""
        return self._publish_settled(self._held.close())

    def _publish_settled(self, settled: list[Settled]) -> tuple[Event, ...]:
        for item in settled:
            self._gate.call(self._items.publish, conversions.to_json(item.to_dict()))
        return tuple(event for item in settled for event in item.events)

    def _ask(self, item: str, event: Event, rule: Rule, frame: Frame, timeout_s: float) -> None:
        about = min(event.tracks, key=lambda track: track.confidence, default=None)
        bbox = None if about is None else about.bbox
        if bbox is not None and not (bbox[0] < bbox[2] and bbox[1] < bbox[3]):
            bbox = None  # rounded to nothing
        edges, jpeg = crop.cut(frame.pixels, crop.around(bbox))
        asked = ReviewItem(
            item,
            event.rule,
            event.kind.value,
            event.zone,
            "" if about is None else about.label[:200],
            None if bbox is None or about is None else about.confidence,
            bbox,
            edges,
            event.stamp_ns,
            event.camera,
            time.time(),
            timeout_s,
            rule.unanswered.value,
            jpeg,
        )
        self._items.publish(conversions.to_json(asked.to_dict()))
