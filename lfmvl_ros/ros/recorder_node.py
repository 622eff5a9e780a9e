# SPDX-License-Identifier: Apache-2.0
"""A subscriber, as anybody's controller would be one: listens for a while, then writes what it saw.

``ros2 run lfmvl_ros recorder_node --ros-args -r __ns:=/lfmvl -p out:=out/run -p duration_s:=20.0``
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.recording import Recording


class RecorderNode(Node):
    """Listens to the camera and the perception node, from the first tracks message on."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.out = Path(self.declare_parameter("out", "out/recording").value)
        self.duration_s = float(self.declare_parameter("duration_s", 30.0).value)
        self.patience_s = float(self.declare_parameter("start_timeout_s", 180.0).value)
        self.recording = Recording()
        self.started_s: float | None = None
        self._born_s = time.monotonic()
        self.create_subscription(
            Image,
            "image_raw",
            self._on_image,
            qos.SENSOR,
            qos_overriding_options=qos.overridable(),
        )
        self.create_subscription(Detection2DArray, "tracks", self._on_tracks, qos.RESULTS)
        self.create_subscription(String, "track_states", self._on_states, qos.RESULTS)
        self.create_subscription(String, "grounding", self._on_grounding, qos.RESULTS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first tracks message; 0 before it."""
        return 0.0 if self.started_s is None else time.monotonic() - self.started_s

    @property
    def gave_up(self) -> bool:
        """True when nothing came in all the time one may reasonably wait for a model to load."""
        return self.started_s is None and time.monotonic() - self._born_s > self.patience_s

    def _on_image(self, message: Image) -> None:
        if self.started_s is not None:
            frame = conversions.frame_from_image(message)
            self.recording.add_picture(frame.stamp_ns, frame.pixels)

    def _on_tracks(self, message: Detection2DArray) -> None:
        received_ns = self.get_clock().now().nanoseconds
        if self.started_s is None:
            self.started_s = time.monotonic()
        ids = [detection.id for detection in message.detections]
        self.recording.add_tracks(conversions.stamp_ns(message.header.stamp), received_ns, ids)

    def _on_states(self, message: String) -> None:
        document = json.loads(message.data)
        stamp = document["stamp"]
        self.recording.states[stamp["sec"] * 10**9 + stamp["nanosec"]] = document

    def _on_grounding(self, message: String) -> None:
        self.recording.groundings.append(json.loads(message.data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for item in status.values:
                if item.key.startswith("dropped."):
                    self.recording.dropped[item.key.removeprefix("dropped.")] = int(item.value)


def _listen(node: RecorderNode) -> None:
    with tqdm(
        total=node.duration_s,
        unit="s",
        desc="listening",
        bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s {postfix}",
    ) as bar:
        while rclpy.ok() and node.elapsed_s < node.duration_s and not node.gave_up:
            rclpy.spin_once(node, timeout_sec=0.2)
            if node.elapsed_s - bar.n >= 0.5:
                heard = node.recording
                bar.set_postfix_str(
                    f"{len(heard.track_latency_ms)} frames, {len(heard.groundings)} answers, "
                    f"{len(heard.seen_ns)} ids",
                    refresh=False,
                )
                bar.update(min(node.elapsed_s, node.duration_s) - bar.n)
        if node.started_s is not None and rclpy.ok():
            bar.update(bar.total - bar.n)


def main() -> None:
    """Listen, write, print the summary as one JSON line; exit code 1 when no tracks ever came."""
    rclpy.init()
    node = RecorderNode()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        _listen(node)
    recording, elapsed_s = node.recording, node.elapsed_s
    if node.started_s is None:
        names = " and ".join(node.resolve_topic_name(name) for name in ("image_raw", "tracks"))
        waited = f"no tracks within {node.patience_s:g} s" if node.gave_up else "stopped before any"
        print(
            f"{waited}; are the camera and the perception node running, on {names}?",
            file=sys.stderr,
        )
        sys.exit(1)
    node.destroy_node()
    rclpy.try_shutdown()
    recording.write(node.out, rate_hz=len(recording.track_latency_ms) / max(elapsed_s, 1e-3))
    print(json.dumps(recording.summary()), flush=True)


if __name__ == "__main__":
    main()
