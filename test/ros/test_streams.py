# SPDX-License-Identifier: Apache-2.0
"""Messages past the executor: taken in one thread, with their events, until nobody wants them."""

import contextlib
import threading
import time

import pytest
import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from lfmvl_ros.ros.streams import StreamReader, _Stream

from ..waiting import until

DEEP = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


class Listener:
    """A node that spins, and a reader of its own."""

    def __init__(self, context):
        self.node = rclpy.create_node("listener", context=context)
        self.reader = StreamReader(self.node)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()
        self.talker = rclpy.create_node("talker", context=context)

    def close(self):
        self.reader.close()
        self.executor.shutdown(2.0)
        self.thread.join(5.0)
        for node in (self.node, self.talker):
            node.destroy_node()


@pytest.fixture
def listener(ros):
    made = Listener(ros)
    yield made
    made.close()


def test_messages_come_in_order_in_the_readers_thread_with_their_numbers(listener):
    came, threads = [], set()

    def take(message, info):
        came.append((message.data, info["source_timestamp"] > 0))
        threads.add(threading.current_thread().name)

    listener.reader.subscribe(String, "words", take, DEEP)
    publisher = listener.talker.create_publisher(String, "words", DEEP)
    until(lambda: publisher.get_subscription_count() == 1)
    for number in range(50):
        publisher.publish(String(data=str(number)))
    until(lambda: len(came) == 50)
    assert came == [(str(number), True) for number in range(50)]
    assert threads == {"streams"}


def test_what_a_callback_raises_ends_neither_the_stream_nor_another_one(listener):
    came = []

    def fail(message, info):
        came.append(message.data)
        raise ValueError("this one can't be used")

    for topic in ("one", "two"):
        listener.reader.subscribe(String, topic, fail, DEEP)
    one, two = (listener.talker.create_publisher(String, name, DEEP) for name in ("one", "two"))
    for publisher, word in ((one, "a"), (two, "b"), (one, "c")):
        until(
            lambda word=word: word in came,
            doing=lambda p=publisher, w=word: p.publish(String(data=w)),
        )


def test_nothing_comes_once_a_stream_is_not_wanted_and_it_can_come_again(listener):
    publisher, came = listener.talker.create_publisher(String, "words", DEEP), []

    def take(message, info):
        came.append(message.data)

    for _ in range(3):
        subscription = listener.reader.subscribe(String, "words", take, DEEP)
        until(lambda: came, doing=lambda: publisher.publish(String(data="x")))
        listener.reader.unsubscribe(subscription)
        until(lambda: publisher.get_subscription_count() == 0)
        came.clear()
        publisher.publish(String(data="y"))
        time.sleep(0.1)
        assert not came
    assert list(listener.node.subscriptions) == []


def test_a_callback_may_end_its_own_stream(listener):
    publisher, came, made = listener.talker.create_publisher(String, "words", DEEP), [], []

    def once(message, info):
        came.append(message.data)
        listener.reader.unsubscribe(made[0])

    made.append(listener.reader.subscribe(String, "words", once, DEEP))
    until(lambda: came, doing=lambda: publisher.publish(String(data="x")))
    until(lambda: publisher.get_subscription_count() == 0)


def test_events_come_too(listener):
    told = []
    listener.reader.subscribe(
        String,
        "words",
        lambda message, info: None,
        DEEP,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=told.append),
    )
    unsure = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    listener.talker.create_publisher(String, "words", unsure)
    until(lambda: told)
    assert told[0].total_count == 1


def test_the_thread_ends_with_the_reader_and_with_the_context(ros):
    listener = Listener(ros)
    listener.reader.subscribe(String, "words", lambda message, info: None, DEEP)
    thread = listener.reader._thread
    listener.close()
    until(lambda: not thread.is_alive())
    node = rclpy.create_node("another", context=ros)
    reader = StreamReader(node)
    reader.subscribe(String, "words", lambda message, info: None, DEEP)
    rclpy.shutdown(context=ros)
    until(lambda: not reader._thread.is_alive())
    reader.close()


def test_a_subscription_that_is_destroyed_as_the_wait_begins(ros):
    """rclpy gives out no handle any more whose destruction was requested, held or not."""
    from rclpy.impl.implementation_singleton import rclpy_implementation as rcl

    node = rclpy.create_node("leaving", context=ros)
    reader = StreamReader(node)
    made = node.create_subscription(
        String, "x", lambda _: None, DEEP,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: None),
    )  # fmt: skip
    stream = _Stream(made, lambda *_: None)
    with contextlib.ExitStack() as held:
        assert stream.hold(held)
        wait_set = rcl.WaitSet(1, 1, 0, 0, 0, len(stream.events), ros.handle)
        stream.events[0].destroy()
        reader._wait(wait_set, [stream])  # raised InvalidHandle, which ended the thread
        assert reader._changed
    reader.close()
    node.destroy_node()
