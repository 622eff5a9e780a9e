# SPDX-License-Identifier: Apache-2.0
"""Run the perception node for long with faults at random; report memory and recoveries.

    python benchmarks/soak.py [--minutes 30] [--seed 1]

The model (recorded replies) hangs, raises, runs out of memory, is late and writes garbage. Of two
cameras, one stops, hurries to 120 Hz, changes size and encoding, sends broken images and stamps
from the past. After each fault an `ok` answer about a frame from after it must come within 15 s,
else the recovery counts as lost; the other camera must never wait that long for one. Memory is that
of the node's process: the median of the last third of the samples against that of the first third,
after a warm-up. The last line is one JSON object; exit code 1 when memory grew by more than 3 %, a
recovery was lost, the steady camera was left waiting, or the node ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("ROS_DOMAIN_ID", "71")

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import rclpy
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    from lfmvl_ros.ros import conversions, qos

TIMEOUT_S = 0.5
PATIENCE_S = 15.0
SIZES = ((640, 480), (320, 240), (1280, 720))
BOX = '[{"label": "person", "bbox": [0.20, 0.30, 0.40, 0.70]}]'
MODEL_FAULTS: tuple[list[dict[str, object]], ...] = (
    [{"fault": "hang", "delay_s": 4.0, "text": "[]"}],
    [{"fault": "raise"}] * 3,
    [{"fault": "memory"}] * 3,
    [{"text": BOX, "delay_s": 5.0}],
    [{"text": '[{"label": "per', "delay_s": 0.1}] * 5,
    [{"text": "🚀" * 200, "delay_s": 0.1}] * 5,
)


def script(rng: random.Random, answers: int = 3000) -> list[dict[str, object]]:
    """Return what the model does: mostly answers, a fault now and then."""
    lines: list[dict[str, object]] = []
    while len(lines) < answers:
        lines += [{"text": BOX, "delay_s": rng.uniform(0.03, 0.15)} for _ in range(60)]
        lines += rng.choice(MODEL_FAULTS)
    return lines


class Camera:
    """Publishes at a rate from a thread of its own; a fault is how it makes images just now."""

    def __init__(self, publisher: object) -> None:
        self._publisher = publisher
        self._fault = ""
        self._stop = threading.Event()
        self._count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_fault(self, fault: str) -> None:
        """Fail in this way from now on; "" is no fault."""
        self._fault = fault

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / 120 if self._fault == "hurries" else 1 / 20):
            if self._fault != "stops":
                self._publisher.publish(self._image(self._fault))

    def _image(self, fault: str) -> Image:
        self._count += 1
        wh = SIZES[self._count % 3] if fault == "changes size" else SIZES[0]
        pixels = np.full((wh[1], wh[0], 3), self._count % 256, np.uint8)
        past_ns = 3600 * 10**9 if fault == "goes back in time" else 0
        encoding = (
            ("rgb8", "bgr8", "mono8")[self._count % 3] if fault == "changes encoding" else "rgb8"
        )
        made = conversions.to_image(pixels, time.time_ns() - past_ns, "lens", encoding)
        if fault == "is broken":
            made.data = made.data[: len(made.data) // 2]
        return made


CAMERA_FAULTS = (
    *("stops", "hurries", "changes size", "changes encoding"),
    *("is broken", "goes back in time"),
)


class Soak:
    """One run: the node, the camera, and what was heard."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        recording = folder / "replies.jsonl"
        recording.write_text("".join(json.dumps(line) + "\n" for line in script(self.rng)))
        words = ["-p", f"model:={recording}", "-p", f"generation.timeout_s:={TIMEOUT_S}"]
        words += ["-p", "cameras:=[faulty, steady]"]
        command = [sys.executable, "-m", "lfmvl_ros.ros.perception_node", "--ros-args", *words]
        self._log = (folder / "node.log").open("w")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        rclpy.init()
        self.node = rclpy.create_node("soak")
        self.outcomes: Counter[str] = Counter()
        self.good_ns = 0
        self.steady_s = 0.0
        self.longest_wait_s = 0.0
        create = self.node.create_subscription
        create(String, "faulty/grounding", self._on_grounding, qos.RESULTS)
        create(String, "steady/grounding", self._on_steady, qos.RESULTS)
        self.camera, self.steady = (
            Camera(self.node.create_publisher(Image, f"{name}/image_raw", qos.SENSOR))
            for name in ("faulty", "steady")
        )
        self.memory_mb: list[float] = []
        self.faults: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.slowest_s = 0.0

    def _on_grounding(self, message: String) -> None:
        document = json.loads(message.data)
        self.outcomes[document["status"]] += 1
        if document["status"] == "ok":
            stamp = document["stamp"]
            self.good_ns = stamp["sec"] * 10**9 + stamp["nanosec"]

    def _on_steady(self, message: String) -> None:
        if json.loads(message.data)["status"] == "ok":
            now_s = time.monotonic()
            waited_s = now_s - self.steady_s if self.steady_s else 0.0
            self.longest_wait_s = max(self.longest_wait_s, waited_s)
            self.steady_s = now_s

    def wait(self, seconds: float, until_ns: int | None = None) -> bool:
        """Listen; return True once an ok answer is newer than ``until_ns``."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and self.process.poll() is None:
            rclpy.spin_once(self.node, timeout_sec=0.1)
            if until_ns is not None and self.good_ns > until_ns:
                return True
        return False

    def round(self) -> None:
        """Let the camera fail for a while, then see whether all is well again."""
        fault = self.rng.choice(CAMERA_FAULTS)
        self.camera.set_fault(fault)
        self.wait(self.rng.uniform(1.0, 3.0))
        self.camera.set_fault("")
        self.faults[fault] += 1
        began_s = time.monotonic()
        if self.wait(PATIENCE_S, until_ns=time.time_ns()):
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        else:
            self.lost[fault] += 1
        self.wait(self.rng.uniform(1.0, 4.0))
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        self.memory_mb.append(int(text.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6)

    def close(self) -> None:
        """End the node and the listener."""
        self.camera.close()
        self.steady.close()
        self.node.destroy_node()
        rclpy.shutdown()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        self._log.close()


def growth(samples: list[float]) -> float:
    """Return how much the last third exceeds the first, percent, the first tenth left out."""
    kept = samples[len(samples) // 10 :]
    third = max(1, len(kept) // 3)
    before, after = np.median(kept[:third]), np.median(kept[-third:])
    return float((after - before) / before * 100)


def trend(samples: list[float], minutes: float) -> float:
    """Return the slope of a line through the second half of the samples, MB an hour."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return 0.0
    hours = np.linspace(0, minutes / 2 / 60, len(half))
    return float(np.polyfit(hours, half, 1)[0])


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("--minutes", type=float, default=30.0)
    arguments.add_argument("--seed", type=int, default=1)
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = Soak(Path(name), wanted.seed)
        end_s = time.monotonic() + wanted.minutes * 60
        try:
            started = run.wait(60.0, until_ns=0)
            while started and time.monotonic() < end_s and run.process.poll() is None:
                run.round()
                print(
                    f"{sum(run.faults.values())} faults, {sum(run.lost.values())} not got over, "
                    f"{sum(run.outcomes.values())} answers, {run.memory_mb[-1]:.1f} MB",
                    file=sys.stderr,
                )
            ended = run.process.poll() is not None
        finally:
            run.close()
    document = {
        "minutes": wanted.minutes,
        "camera_faults": dict(run.faults),
        "not_recovered": dict(run.lost),
        "slowest_recovery_s": round(run.slowest_s, 2),
        "outcomes": dict(run.outcomes),
        "memory_mb": [run.memory_mb[0], run.memory_mb[-1]] if run.memory_mb else [],
        "steady_camera_longest_wait_s": round(run.longest_wait_s, 2),
        "memory_mb_an_hour_second_half": round(trend(run.memory_mb, wanted.minutes), 1),
        "memory_growth_percent": round(growth(run.memory_mb), 2) if run.memory_mb else None,
        "node_ended": ended,
    }
    print(json.dumps(document))
    well = started and not ended and not run.lost and run.longest_wait_s < PATIENCE_S
    return 0 if well and document["memory_growth_percent"] <= 3.0 else 1


if __name__ == "__main__":
    run_command(main)
