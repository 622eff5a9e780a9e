# SPDX-License-Identifier: Apache-2.0
"""Every test has a DDS domain of its own, on loopback alone."""

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

import rclpy

# Parallel runs on one machine must not meet: domains follow the process id, within 1..100
# (domains above need ports beyond the ephemeral range on some systems).
_domains = itertools.count(os.getpid())


@pytest.fixture(autouse=True)
def domain(monkeypatch):
    number = next(_domains) % 100 + 1
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    monkeypatch.delenv("CYCLONEDDS_URI", raising=False)
    yield number
    rclpy.try_shutdown()


@pytest.fixture(autouse=True, scope="session")
def interrupts():
    """What a script starts in the background ignores interrupts, and so would all it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def ros():
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    return rclpy


@pytest.fixture
def spin_until(ros):
    """spin_until(condition, *nodes, timeout_s=5): spin all nodes until the condition holds."""
    from rclpy.executors import SingleThreadedExecutor

    def run(condition, *nodes, timeout_s=5.0):
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        end = time.monotonic() + timeout_s
        try:
            while not condition() and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.02)
        finally:
            executor.shutdown()
        return condition()

    return run


@pytest.fixture
def process():
    """Start Python programs, given as source text; they are ended with the test."""
    started = []

    def start(source, *arguments):
        child = subprocess.Popen(
            [sys.executable, "-c", source, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()
