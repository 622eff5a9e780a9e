# SPDX-License-Identifier: Apache-2.0
"""Print every object that is tracked, as a controller might use it: plain rclpy, without lfmvl_ros.

python examples/print_tracks.py --ros-args -r __ns:=/lfmvl
"""

import json
import signal
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

# Only after these does "no such object" mean anything.
ABSENCE = ("ok", "empty", "repaired")


class PrintTracks(Node):
    """Subscribes to ``tracks`` and ``grounding``, in the namespace it is started in."""

    def __init__(self):
        super().__init__("print_tracks")
        self.max_age_s = self.declare_parameter("max_age_s", 0.5).value
        self.min_score = self.declare_parameter("min_score", 0.4).value
        self.status = "no answer yet"
        self.create_subscription(String, "grounding", self.on_grounding, 10)
        self.create_subscription(Detection2DArray, "tracks", self.on_tracks, 10)

    def on_grounding(self, message):
        """Remember how the model's newest answer ended."""
        self.status = json.loads(message.data)["status"]

    def on_tracks(self, message):
        """Print each object, once it has passed what a controller should check."""
        # 1. Is it current? The stamp is that of the camera image the boxes belong to.
        age_s = (self.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds / 1e9
        if age_s > self.max_age_s:
            print(f"ignored: {age_s:.2f} s old", flush=True)
            return
        # 2. Is it likely enough to act on?
        found = [d for d in message.detections if d.results[0].hypothesis.score >= self.min_score]
        # 3. Is an empty list "nothing there"? Only if the model said so; it may also have failed.
        if not found:
            absent = not message.detections and self.status in ABSENCE
            print(f"{'nothing there' if absent else 'unknown'} (model: {self.status})", flush=True)
        for detection in found:
            best, centre = detection.results[0].hypothesis, detection.bbox.center.position
            what = f"{best.class_id} #{detection.id}: confidence {best.score:.2f}, "
            where = f"centre {centre.x:.0f}, {centre.y:.0f} px, {age_s * 1000:.0f} ms old"
            print(what + where, flush=True)


if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())  # no exception in the middle of a callback
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    executor.add_node(PrintTracks())
    while not ended.is_set():
        executor.spin_once(timeout_sec=0.5)
