# SPDX-License-Identifier: Apache-2.0
"""The two processes of ``transport.py``: plain rclpy programs that send and receive images."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

import measuring_ros  # noqa: F401
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from lfmvl_ros.ros.conversions import to_image

RATE_HZ = 30.0
WARM_UP = 30
DEPTH = 5
TIMEOUT_S = 20.0
QUIET_S = 5.0


@dataclass(frozen=True)
class Load:
    """One combination that is measured.

    Attributes:
        width, height: of the images, px, rgb8.
        reliability: ``best_effort`` or ``reliable``.
        count: images measured, after ``WARM_UP`` others.
        subscribers: processes that receive.
    """

    width: int
    height: int
    reliability: str
    count: int
    subscribers: int = 1

    @property
    def profile(self) -> QoSProfile:
        """Quality of service of both sides."""
        return QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy[self.reliability.upper()])

    def command(self, role: str) -> list[str]:
        """Return the command line of a process."""
        return [sys.executable, __file__, role, json.dumps(asdict(self))]


def send(load: Load) -> None:
    """Publish warm-up and measured images at their due times; print the CPU used."""
    rclpy.init(args=[])
    node = rclpy.create_node("sender")
    publisher = node.create_publisher(Image, "image", load.profile)
    end_s = time.monotonic() + TIMEOUT_S
    while publisher.get_subscription_count() < load.subscribers:
        if time.monotonic() > end_s:
            raise SystemExit("the subscribers did not appear")
        time.sleep(0.05)
    time.sleep(0.5)  # the subscribers know us, too
    pixels = np.zeros((load.height, load.width, 3), np.uint8)
    used_s = began_s = start_s = time.monotonic()
    for index in range(WARM_UP + load.count):
        time.sleep(max(0.0, start_s + index / RATE_HZ - time.monotonic()))
        if index == WARM_UP:
            used_s, began_s = time.process_time(), time.monotonic()
        pixels.fill(index % 256)
        publisher.publish(to_image(pixels, time.time_ns(), str(index)))
    cpu = (time.process_time() - used_s) / (time.monotonic() - began_s)
    publisher.wait_for_all_acked(Duration(seconds=2))
    time.sleep(0.2)
    print(json.dumps({"cpu": cpu}), flush=True)
    node.destroy_node()
    rclpy.shutdown()


class Receiver:
    """Keeps each image's latency; an image whose pixels are not as sent counts as damaged."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.latency_ms: dict[int, float] = {}
        self.damaged = 0
        self.last_s = 0.0
        self._first_use: tuple[float, float] | None = None
        self._last_use = (0.0, 0.0)
        self.done = False

    def __call__(self, message: Image) -> None:
        """Take an image."""
        now_ns, index = time.time_ns(), int(message.header.frame_id)
        self.last_s = time.monotonic()
        self.done = index == WARM_UP + self._load.count - 1
        if index < WARM_UP:
            return
        stamp = message.header.stamp
        self.latency_ms[index] = (now_ns - stamp.sec * 10**9 - stamp.nanosec) / 1e6
        pixels = np.frombuffer(message.data, np.uint8)
        whole = pixels.size == 3 * self._load.width * self._load.height
        self.damaged += not (whole and pixels[0] == pixels[-1] == index % 256)
        self._last_use = (time.process_time(), self.last_s)
        self._first_use = self._first_use or self._last_use
        if len(self.latency_ms) % 30 == 0:
            print(json.dumps({"arrived": len(self.latency_ms)}), flush=True)

    def result(self) -> dict[str, object]:
        """Return what came."""
        used_s, passed_s = np.subtract(self._last_use, self._first_use or self._last_use)
        return {
            "latency_ms": list(self.latency_ms.values()),
            "damaged": self.damaged,
            "cpu": float(used_s / passed_s) if passed_s else None,
        }


def receive(load: Load) -> None:
    """Subscribe until the last image came, or none for five seconds; print what came."""
    rclpy.init(args=[])
    node, receiver = rclpy.create_node("receiver"), Receiver(load)
    node.create_subscription(Image, "image", receiver, load.profile)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    began_s = time.monotonic()
    while not receiver.done:
        executor.spin_once(timeout_sec=0.5)
        if time.monotonic() - (receiver.last_s or began_s + TIMEOUT_S) > QUIET_S:
            break
    print(json.dumps(receiver.result()), flush=True)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](Load(**json.loads(sys.argv[2])))
