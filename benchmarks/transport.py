# SPDX-License-Identifier: Apache-2.0
"""Images between two processes: how many arrive, how late, and what it costs.

    python benchmarks/transport.py [--seconds 10] [--quick]

One process publishes VGA, then 720p images at 30 Hz, as a camera driver does; another subscribes.
Both are plain rclpy programs, so this measures whatever ROS 2 is installed, or rosless. Latency
runs from the stamp, taken before the message is filled, to the subscriber's callback. CPU is that
of the whole process in percent of one core, between the first and the last image measured; a
second of images before is not counted. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import rclpy
from measuring import Bar, machine, on_this_machine_alone, percentile
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image
from tqdm import tqdm

from lfmvl_ros.ros.conversions import to_image

SIZES = {"VGA": (640, 480), "720p": (1280, 720)}
RATE_HZ = 30.0
WARM_UP = 30
DEPTH = 5
PATIENCE_S = 20.0
RELIABILITIES = ("best_effort", "reliable")


@dataclass(frozen=True)
class Load:
    """One combination that is measured."""

    wh: tuple[int, int]
    reliability: str
    count: int

    @property
    def profile(self) -> QoSProfile:
        """Quality of service of both sides."""
        return QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy[self.reliability.upper()])

    @property
    def arguments(self) -> list[str]:
        """The command line that tells it to the two processes."""
        return [str(self.wh[0]), str(self.wh[1]), self.reliability, str(self.count)]

    @classmethod
    def from_arguments(cls, words: list[str]) -> Load:
        """Read :attr:`arguments`."""
        return cls((int(words[0]), int(words[1])), words[2], int(words[3]))


# -- the two processes -----------------------------------------------------------------------------


def send(load: Load) -> None:
    """Publish warm-up and measured images on their due times; print the CPU used."""
    rclpy.init(args=[])
    node = rclpy.create_node("sender")
    publisher = node.create_publisher(Image, "image", load.profile)
    end_s = time.monotonic() + PATIENCE_S
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > end_s:
            raise SystemExit("nobody subscribes")
        time.sleep(0.05)
    time.sleep(0.5)  # the subscriber knows us, too
    pixels = np.zeros((load.wh[1], load.wh[0], 3), np.uint8)
    start_s = time.monotonic()
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
    """Keeps each image's lateness; an image whose pixels are not as sent counts as damaged."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.late_ms: dict[int, float] = {}
        self.damaged = 0
        self.seen_s = 0.0
        self.first: tuple[float, float] | None = None
        self.last = (0.0, 0.0)
        self.done = False

    def __call__(self, message: Image) -> None:
        """Take an image."""
        now_ns, index = time.time_ns(), int(message.header.frame_id)
        self.seen_s = time.monotonic()
        self.done = index == WARM_UP + self._load.count - 1
        if index < WARM_UP:
            return
        stamp = message.header.stamp
        self.late_ms[index] = (now_ns - stamp.sec * 10**9 - stamp.nanosec) / 1e6
        pixels = np.frombuffer(message.data, np.uint8)
        whole = pixels.size == 3 * self._load.wh[0] * self._load.wh[1]
        self.damaged += not (whole and pixels[0] == pixels[-1] == index % 256)
        self.last = (time.process_time(), self.seen_s)
        self.first = self.first or self.last
        if len(self.late_ms) % 30 == 0:
            print(json.dumps({"arrived": len(self.late_ms)}), flush=True)

    def result(self) -> dict[str, object]:
        """Return what came."""
        used_s, passed_s = np.subtract(self.last, self.first or self.last)
        return {
            "late_ms": list(self.late_ms.values()),
            "damaged": self.damaged,
            "cpu": float(used_s / passed_s) if passed_s else None,
        }


def receive(load: Load) -> None:
    """Subscribe until the last image came or two seconds are silent; print what came."""
    rclpy.init(args=[])
    node, receiver = rclpy.create_node("receiver"), Receiver(load)
    node.create_subscription(Image, "image", receiver, load.profile)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    began_s = time.monotonic()
    while not receiver.done:
        executor.spin_once(timeout_sec=0.5)
        silent_s = time.monotonic() - (receiver.seen_s or began_s + PATIENCE_S)
        if silent_s > 2.0:
            break
    print(json.dumps(receiver.result()), flush=True)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


# -- the measurement -------------------------------------------------------------------------------


def measure(name: str, load: Load, progress: tqdm) -> dict[str, object]:
    """Run both processes; return the figures of one combination."""
    command = [sys.executable, __file__, *load.arguments, "--role"]
    receiver = subprocess.Popen([*command, "receive"], stdout=subprocess.PIPE, text=True)
    sender = subprocess.Popen([*command, "send"], stdout=subprocess.PIPE, text=True)
    told, came = {}, {}
    try:
        for line in receiver.stdout or ():
            came = json.loads(line)
            if "arrived" in came:
                progress.update(came["arrived"] - progress.n % load.count)
        told = json.loads(sender.communicate(timeout=PATIENCE_S)[0] or "{}")
    finally:
        for process in (receiver, sender):
            process.kill()
            process.communicate()
    late_ms = came.get("late_ms", [])
    return {
        "size": name,
        "reliability": load.reliability,
        "sent": load.count,
        "arrived": len(late_ms),
        "damaged": came.get("damaged"),
        "latency_p50_ms": percentile(late_ms, 50),
        "latency_p95_ms": percentile(late_ms, 95),
        "sender_core_percent": _percent(told.get("cpu")),
        "receiver_core_percent": _percent(came.get("cpu")),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def bars(run: dict[str, object]) -> list[Bar]:
    """Return the figures of a combination; VGA has bars."""
    vga = run["size"] == "VGA"
    limit = {"high": 10.0} if vga else {}
    sent = run["sent"] if vga else None
    return [
        Bar(f"{run['size']} {run['reliability']}: arrived", run["arrived"], low=sent),
        Bar("latency p50", run["latency_p50_ms"], "ms"),
        Bar("p95", run["latency_p95_ms"], "ms", high=15.0 if vga else None),
        Bar("of a core: sender", run["sender_core_percent"], "%", **limit),
        Bar("receiver", run["receiver_core_percent"], "%", **limit),
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each combination (10)")
    parser.add_argument("--quick", action="store_true", help="2 seconds of each combination")
    parser.add_argument("--sizes", default=",".join(SIZES), help="VGA,720p or WIDTHxHEIGHT,...")
    parser.add_argument("--role", choices=("send", "receive"), help=argparse.SUPPRESS)
    parser.add_argument("load", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    wanted = parse_arguments()
    on_this_machine_alone(domain=72)
    if wanted.role:
        (send if wanted.role == "send" else receive)(Load.from_arguments(wanted.load))
        return
    count = round(RATE_HZ * (2.0 if wanted.quick else wanted.seconds))
    document: dict[str, object] = {
        "rmw": get_rmw_implementation_identifier(), "rate_hz": RATE_HZ, "depth": DEPTH, **machine()
    }  # fmt: skip
    sizes = {
        name: SIZES.get(name) or tuple(map(int, name.split("x")))
        for name in wanted.sizes.split(",")
    }
    loads = [(n, Load(wh, r, count)) for n, wh in sizes.items() for r in RELIABILITIES]
    with tqdm(total=len(loads) * count, unit="images", disable=None) as progress:
        runs = []
        for index, (name, load) in enumerate(loads, start=1):
            progress.set_description(f"{name} {load.reliability}")
            runs.append(measure(name, load, progress))
            progress.update(index * count - progress.n)
            progress.write("  ".join(map(str, bars(runs[-1]))), file=sys.stderr)
    document |= {"runs": runs, "within_bars": all(bar.kept for r in runs for bar in bars(r))}
    print(json.dumps(document))


if __name__ == "__main__":
    main()
