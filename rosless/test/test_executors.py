# SPDX-License-Identifier: Apache-2.0
"""Executors, timers, callback groups, futures, time."""

import contextlib
import threading
import time

import pytest
from rosgraph_msgs.msg import Clock as ClockMessage

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.exceptions import NotInitializedException
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from rclpy.time import Time


def _spinning(executor):
    def run():
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_timer_keeps_its_rate(ros, spin_until):
    node, times = Node("node"), []
    node.create_timer(0.02, lambda: times.append(time.monotonic()))
    start = time.monotonic()
    assert spin_until(lambda: len(times) == 25, node)
    assert 0.48 <= times[-1] - start < 2.0  # 25 periods of 20 ms, not fewer


def test_timer_can_be_cancelled_and_reset(ros, spin_until):
    node, calls = Node("node"), []
    timer = node.create_timer(0.01, lambda: (calls.append(1), timer.cancel()))
    assert spin_until(lambda: calls, node)
    assert timer.is_canceled()
    assert not spin_until(lambda: len(calls) > 1, node, timeout_s=0.1)
    timer.reset()
    assert spin_until(lambda: len(calls) == 2, node)
    assert node.destroy_timer(timer)


@pytest.mark.parametrize(("reentrant", "most"), [(True, 3), (False, 1)])
def test_callback_groups(ros, reentrant, most):
    node = Node("node")
    group = ReentrantCallbackGroup() if reentrant else MutuallyExclusiveCallbackGroup()
    lock, running, peak, calls = threading.Lock(), [0], [0], []

    def work():
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        time.sleep(0.03)
        with lock:
            running[0] -= 1
            calls.append(1)

    for _ in range(3):
        node.create_timer(0.01, work, callback_group=group)
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    thread = _spinning(executor)
    end = time.monotonic() + 5
    while len(calls) < 12 and time.monotonic() < end:
        time.sleep(0.01)
    assert executor.shutdown(timeout_sec=2)
    thread.join(2)
    assert not thread.is_alive()
    assert peak[0] == most


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, MultiThreadedExecutor])
def test_errors_in_callbacks_reach_the_spinning_thread(ros, kind):
    node = Node("node")

    def fail():
        raise ValueError("on purpose")

    node.create_timer(0.01, fail)
    executor = kind()
    executor.add_node(node)
    with pytest.raises(ValueError, match="on purpose"):
        executor.spin()
    executor.shutdown()


def test_shutdown_in_a_callback_ends_spinning(ros):
    node = Node("node")
    node.create_timer(0.01, rclpy.shutdown)
    rclpy.spin(node)
    assert not rclpy.ok()


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, MultiThreadedExecutor])
def test_shutdown_from_another_thread(ros, kind):
    executor = kind()
    executor.add_node(Node("node"))
    threading.Timer(0.1, rclpy.shutdown).start()
    with pytest.raises(ExternalShutdownException):
        executor.spin()


def test_spin_once_times_out(ros):
    start = time.monotonic()
    rclpy.spin_once(Node("node"), timeout_sec=0.1)
    assert time.monotonic() - start >= 0.1


def test_a_node_moves_to_the_executor_that_takes_it(ros):
    node, calls = Node("node"), []
    node.create_timer(0.01, lambda: calls.append(1))
    first, second = SingleThreadedExecutor(), SingleThreadedExecutor()
    assert first.add_node(node)
    assert second.add_node(node)
    assert not second.add_node(node)
    first.spin_once(timeout_sec=0.1)
    assert calls == []
    second.spin_once(timeout_sec=5)
    assert calls == [1]


def test_entities_created_while_spinning_are_served(ros):
    node, calls = Node("node"), []
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = _spinning(executor)
    time.sleep(0.05)
    node.create_timer(0.01, lambda: calls.append(1))
    end = time.monotonic() + 3
    while not calls and time.monotonic() < end:
        time.sleep(0.01)
    executor.shutdown()
    thread.join(2)
    assert calls


def test_futures():
    future, seen = Future(), []
    future.add_done_callback(lambda f: seen.append(f.result()))
    assert (future.done(), future.result()) == (False, None)
    future.set_result(42)
    assert (future.done(), future.result(), seen) == (True, 42, [42])
    cancelled = Future()
    cancelled.cancel()
    assert (cancelled.done(), cancelled.result()) == (True, None)
    failed = Future()
    failed.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        failed.result()


def test_node_needs_init():
    with pytest.raises(NotInitializedException):
        Node("node")
    with pytest.raises(RuntimeError):
        rclpy.shutdown()
    rclpy.try_shutdown()


def test_simulated_time(ros, spin_until):
    node = Node("node", parameter_overrides=[Parameter("use_sim_time", value=True)])
    source, calls = Node("source"), []
    publisher = source.create_publisher(
        ClockMessage, "/clock", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    node.create_timer(1.0, lambda: calls.append(node.get_clock().now().nanoseconds))
    assert node.get_clock().now().nanoseconds == 0
    assert spin_until(lambda: publisher.get_subscription_count() == 1, node)

    def tick(seconds):
        time_ns = int(seconds * 1e9)
        publisher.publish(ClockMessage(clock=Time(nanoseconds=time_ns).to_msg()))
        assert spin_until(lambda: node.get_clock().now().nanoseconds == time_ns, node)
        spin_until(lambda: False, node, timeout_s=0.05)

    tick(10.5)
    tick(10.9)
    assert calls == [10_500_000_000]
    tick(11.6)
    assert calls[1:] == [11_600_000_000]
    tick(2.0)  # a bag starts again
    tick(3.1)
    assert calls[2:] == [3_100_000_000]
    node.set_parameters([Parameter("use_sim_time", value=False)])
    assert abs(node.get_clock().now().nanoseconds - time.time_ns()) < 1e9
    assert not node.set_parameters([Parameter("use_sim_time", value="x")])[0].successful


def test_time_arithmetic():
    start = Time(seconds=1, nanoseconds=5, clock_type=ClockType.ROS_TIME)
    assert (start + Duration(seconds=0.5)).nanoseconds == 1_500_000_005
    assert (start - Time(clock_type=ClockType.ROS_TIME)).nanoseconds == 1_000_000_005
    assert Time.from_msg(start.to_msg()) == start
    assert start > Time(clock_type=ClockType.ROS_TIME)
    assert Duration(seconds=-1.5).to_msg().sec == -2
    assert Duration.from_msg(Duration(seconds=-1.5).to_msg()) == Duration(seconds=-1.5)
    with pytest.raises(TypeError):
        start - Time()
    with pytest.raises(ValueError, match="negative"):
        start - Duration(seconds=2)
    assert Clock(clock_type=ClockType.ROS_TIME).now().clock_type is ClockType.ROS_TIME
    assert Clock(clock_type=ClockType.STEADY_TIME).now().nanoseconds > 0
