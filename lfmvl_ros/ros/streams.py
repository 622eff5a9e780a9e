# SPDX-License-Identifier: Apache-2.0
"""Receives frequent messages in a thread of its own, without the executor.

For each message, rclpy's executor collects every subscription, service, timer and event of a node
again, in Python. With thirty of them this takes about 5 ms of a core, so a camera and an IMU can
fill it. Here the wait set (:func:`rclpy.wait_for_message.wait_for_message` shows its use) has only
the streams, and the cost is that of taking a message.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from lfmvl_ros.core.errors import describe

StreamCallback = Callable[[Any, dict[str, int]], None]  # message, and its info from rmw


class _NotForExecutors(CallbackGroup):
    """Hides its members from executors."""

    def can_execute(self, entity: Any) -> bool:
        del entity
        return False

    def beginning_execution(self, entity: Any) -> bool:
        del entity
        return False

    def ending_execution(self, entity: Any) -> None:
        del entity


@dataclass(eq=False)
class _Stream:
    subscription: Subscription
    callback: StreamCallback
    index: int = -1  # in the wait set
    events: list[Any] = field(default_factory=list)

    def hold(self, held: contextlib.ExitStack) -> bool:
        """Keep rcl's handles from being destroyed; False if they are destroyed already."""
        try:
            held.enter_context(self.subscription.handle)
            self.events = list(self.subscription.event_handlers)
            for event in self.events:
                held.enter_context(event)
        except InvalidHandle:
            return False
        return True

    def wait_in(self, wait_set: Any) -> None:
        self.index = wait_set.add_subscription(self.subscription.handle)
        for event in self.events:
            event.add_to_wait_set(wait_set)

    def take(self, wait_set: Any) -> None:
        """Pass on one message and the events, if there are any."""
        for event in self.events:
            if event.is_ready(wait_set) and (data := event.take_data()) is not None:
                event.callback(data)
        if wait_set.is_ready("subscription", self.index):
            taken = self.subscription.handle.take_message(
                self.subscription.msg_type, self.subscription.raw
            )
            if taken is not None:
                self.callback(*taken)


class StreamReader:
    """A thread that waits for the streams of a node and calls their callbacks, one at a time.

    Exceptions of a callback are logged, and the stream continues.

    Args:
        node: that subscribes. It may spin in any executor, which does not see the streams.
    """

    def __init__(self, node: Node) -> None:
        self._node, self._context = node, node.context
        self._group = _NotForExecutors()
        self._lock = threading.Lock()
        self._streams: dict[Subscription, _Stream] = {}
        self._changed = self._closed = False
        self._thread: threading.Thread | None = None
        self._wake = GuardCondition(None, None, context=self._context)
        self._context.on_shutdown(self.close)

    def subscribe(
        self, kind: type, topic: str, callback: StreamCallback, profile: QoSProfile, **options: Any
    ) -> Subscription:
        """Subscribe; messages come to ``callback(message, info)`` in the reader's thread.

        Args:
            kind: of the messages.
            topic: its name.
            callback: takes each message, and a dictionary of ``source_timestamp``,
                ``received_timestamp`` and ``publication_sequence_number``, as far as known.
            profile: quality of service.
            options: more keyword arguments of ``Node.create_subscription``.
        """
        made = self._node.create_subscription(
            kind, topic, callback, profile, callback_group=self._group, **options
        )
        with self._lock:
            self._streams[made] = _Stream(made, callback)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
                self._thread.start()
        self._wake_up()
        return made

    def unsubscribe(self, subscription: Subscription) -> None:
        """Destroy a subscription of :meth:`subscribe`; a running callback may still finish."""
        with self._lock:
            self._streams.pop(subscription, None)
        self._wake_up()
        self._node.destroy_subscription(subscription)

    def close(self, timeout_s: float = 1.0) -> None:
        """End the thread, except from one of its callbacks; no further message is taken."""
        self._closed = True
        self._wake_up()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _wake_up(self) -> None:
        self._changed = True
        with contextlib.suppress(InvalidHandle):
            self._wake.trigger()

    def _run(self) -> None:
        while self._context.ok():
            self._changed = False  # before checking: later changes are seen in the next round
            with self._lock:
                streams = list(self._streams.values())
            if self._closed:
                return
            with contextlib.ExitStack() as held:
                held.enter_context(self._context.handle)
                held.enter_context(self._wake.handle)
                streams = [stream for stream in streams if stream.hold(held)]
                events = sum(len(stream.events) for stream in streams)
                wait_set = _rclpy.WaitSet(len(streams), 1, 0, 0, 0, events, self._context.handle)
                while not self._changed:
                    self._wait(wait_set, streams)

    def _wait(self, wait_set: Any, streams: list[_Stream]) -> None:
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._wake.handle)
        try:
            for stream in streams:
                stream.wait_in(wait_set)
        except InvalidHandle:  # one is being destroyed, and rclpy gives it out no more
            self._changed = True
            return
        wait_set.wait(-1)
        for stream in streams:
            if self._changed:  # it may be one that is not wanted any more
                return
            try:
                stream.take(wait_set)
            except InvalidHandle:  # as above, since the wait has begun
                self._changed = True
            except Exception as error:
                topic = stream.subscription.topic_name
                self._node.get_logger().error(f"{topic}: {describe(error)}")
