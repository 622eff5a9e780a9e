# SPDX-License-Identifier: Apache-2.0
"""Whole processes: signals and exit, logging, argument handling."""

import re
import signal
import time

import pytest
from rcl_interfaces.msg import Log

import rclpy
from rclpy.node import Node

PROGRAM = """
import sys, time, rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node

rclpy.init()
node = Node("node")
executor = None
if sys.argv[1] == "several threads":
    executor = MultiThreadedExecutor()
if sys.argv[1] == "stuck":  # a callback that does not end: in a thread, as it should be
    executor = MultiThreadedExecutor()
    node.create_timer(0.01, lambda: time.sleep(60))
if sys.argv[1] == "busy":
    node.create_timer(0.001, lambda: None)
print("ready", flush=True)
try:
    rclpy.spin(node, executor)
    print("returned")
except KeyboardInterrupt:
    print("KeyboardInterrupt")
except ExternalShutdownException:
    print("ExternalShutdownException")
finally:
    node.destroy_node()
    rclpy.try_shutdown()
"""


@pytest.mark.parametrize("kind", ["idle", "busy", "several threads", "stuck"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_spinning(process, kind, number):
    child = process(PROGRAM, kind)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    start = time.monotonic()
    child.send_signal(number)
    output, _ = child.communicate(timeout=10)
    # 0.2 s where nothing else runs; the bound leaves room for a loaded machine
    assert time.monotonic() - start < 2.0
    assert child.returncode == 0, output
    if number == signal.SIGINT:
        assert output == "KeyboardInterrupt\n"
    else:  # a busy node may find out between two callbacks
        assert output in ("ExternalShutdownException\n", "returned\n")


def test_uncaught_interrupt_ends_like_any_program(process):
    source = "import rclpy\nrclpy.init()\nprint('ready', flush=True)\n"
    child = process(source + "rclpy.spin(rclpy.create_node('node'))")
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=10)
    assert "KeyboardInterrupt" in output
    assert child.returncode == -signal.SIGINT


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    rclpy.init(args=[])
    assert signal.getsignal(signal.SIGTERM) is not before
    rclpy.shutdown()
    assert signal.getsignal(signal.SIGTERM) is before
    rclpy.init(args=[])  # and once more
    rclpy.shutdown()


def test_init_as_context_manager():
    with rclpy.init(args=[]):
        assert rclpy.ok()
        with pytest.raises(RuntimeError):
            rclpy.init(args=[])
    assert not rclpy.ok()


def test_log_format_and_levels(process):
    source = (
        "import rclpy\nrclpy.init()\nlog = rclpy.create_node('node', namespace='ns').get_logger()\n"
        "log.info('hidden')\nlog.warning('shown')\nlog.get_child('sub').debug('child')\n"
    )
    levels = ["--ros-args", "--log-level", "warn", "--log-level", "ns.node.sub:=debug"]
    output, _ = process(source, *levels).communicate(timeout=10)
    lines = output.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\[WARN\] \[\d{10}\.\d{9}\] \[ns\.node\]: shown", lines[0])
    assert lines[1].endswith("[ns.node.sub]: child")


def test_rosout(ros, spin_until):
    node, reader, logs = Node("talker"), Node("reader"), []
    reader.create_subscription(Log, "/rosout", logs.append, 10)
    assert spin_until(lambda: node._ros_rosout.get_subscription_count() == 1, reader)
    node.get_logger().warning("listen")
    assert spin_until(lambda: logs, reader)
    assert (logs[0].name, logs[0].msg, logs[0].level) == ("talker", "listen", 30)
    assert logs[0].function == "test_rosout"


@pytest.mark.parametrize("name", ["", "a-b", "1a", "a/b"])
def test_invalid_node_names(ros, name):
    with pytest.raises(rclpy.exceptions.InvalidNodeNameException):
        Node(name)


def test_bad_domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "many")
    with pytest.raises(RuntimeError, match="ROS_DOMAIN_ID"):
        rclpy.init(args=[])
