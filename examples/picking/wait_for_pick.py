# SPDX-License-Identifier: Apache-2.0
"""Wait for a pick pose of an object that an arm may move to: plain rclpy, nothing of ours.

python examples/picking/wait_for_pick.py "red tote" --ros-args -r __ns:=/lfmvl

Prints the pose as one JSON line and exits with 0; exits with 1 when there is none in time. In a
behaviour tree: make a WaitForPick, and call tick() until it does not return RUNNING.
"""

import contextlib
import json
import sys
import time

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from vision_msgs.msg import Detection3DArray

RUNNING, SUCCESS, FAILURE = "RUNNING", "SUCCESS", "FAILURE"


class WaitForPick(Node):
    """Waits until one object of a label has been seen in the same place several times.

    Parameters: ``timeout_s``; ``max_age_s`` of a message; ``max_sigma_m`` of the position and
    ``max_tilt_rad`` of the normal (standard deviations); ``times`` in a row that all of that and
    the same place, within ``max_sigma_m``, have to hold.
    """

    def __init__(self, label):
        super().__init__("wait_for_pick")
        self.label, self.pose, self.id = label, None, ""
        self.timeout_s = self.declare_parameter("timeout_s", 10.0).value
        self.max_age_s = self.declare_parameter("max_age_s", 0.5).value
        self.max_sigma_m = self.declare_parameter("max_sigma_m", 0.02).value
        self.max_tilt_rad = self.declare_parameter("max_tilt_rad", 0.15).value
        self.times = self.declare_parameter("times", 3).value
        self.began_s = time.monotonic()
        self.held = {}  # id -> positions in a row
        self.create_subscription(Detection3DArray, "pick_poses", self.on_picks, 10)

    def tick(self):
        """Return RUNNING, SUCCESS (see ``pose`` and ``id``) or FAILURE, without waiting."""
        if self.pose is not None:
            return SUCCESS
        return FAILURE if time.monotonic() - self.began_s > self.timeout_s else RUNNING

    def on_picks(self, message):
        """Count how often in a row each object could be picked; take the one known best."""
        age_s = (self.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds / 1e9
        good, before = [], self.held
        self.held = {}
        for found in message.detections:
            if age_s > self.max_age_s or found.results[0].hypothesis.class_id != self.label:
                continue
            sigma_m, tilt_rad = deviations(found.results[0].pose)
            if sigma_m > self.max_sigma_m or tilt_rad > self.max_tilt_rad:
                continue
            at = found.results[0].pose.pose.position
            at = np.array([at.x, at.y, at.z])
            held = [*before.get(found.id, []), at][-self.times :]
            same = max(np.linalg.norm(p - at) for p in held) < self.max_sigma_m
            self.held[found.id] = held if same else [at]
            if len(self.held[found.id]) >= self.times:
                good.append((sigma_m, found))
        if good and self.pose is None:
            _, best = min(good, key=lambda pair: pair[0])
            self.pose, self.id = (message.header, best.results[0].pose.pose), best.id


def deviations(pose):
    """Return the largest standard deviation of the position, m, and of the normal, rad."""
    covariance = np.array(pose.covariance).reshape(6, 6)
    position = np.linalg.eigvalsh(covariance[:3, :3])[-1]
    # About the normal nothing is known; across it, two directions of tilt.
    tilt = np.linalg.eigvalsh(covariance[3:, 3:])[1]
    return float(np.sqrt(position)), float(np.sqrt(tilt))


def main():
    """Wait, print, and say with the exit code how it ended."""
    words = remove_ros_args(sys.argv)
    if len(words) != 2:
        sys.exit('say what to wait for: wait_for_pick.py "red tote"')
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        node = WaitForPick(words[1])
        while node.tick() == RUNNING:
            rclpy.spin_once(node, timeout_sec=0.1)
        if node.tick() == SUCCESS:
            header, pose = node.pose
            at, turn = pose.position, pose.orientation
            document = {
                "id": node.id,
                "frame_id": header.frame_id,
                "stamp": {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec},
                "position": [at.x, at.y, at.z],
                "orientation_xyzw": [turn.x, turn.y, turn.z, turn.w],
            }
            print(json.dumps(document), flush=True)
            return
    sys.exit(1)


if __name__ == "__main__":
    main()
