# SPDX-License-Identifier: Apache-2.0
"""Mirror ``tracks_3d`` into a MoveIt planning scene: plain rclpy, needs moveit_msgs.

python examples/picking/planning_scene.py --ros-args -r __ns:=/lfmvl

Each object is a box called <label>_<id>, and keeps that name for as long as it is tracked. One diff
a message; a box that no message has named for expiry_s is removed, and so are all when the node
ends. Add what the arm has grasped to touch links or take it out of the scene yourself.
"""

import re
import signal
import sys
import threading

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from vision_msgs.msg import Detection3DArray

try:
    from moveit_msgs.msg import CollisionObject, PlanningScene
    from shape_msgs.msg import SolidPrimitive
except ImportError as error:
    sys.exit(f"{error}: install MoveIt (apt install ros-$ROS_DISTRO-moveit-msgs) and source it")


class MirrorPlanningScene(Node):
    """Subscribes to ``tracks_3d`` in its namespace, publishes diffs on ``/planning_scene``."""

    def __init__(self):
        super().__init__("mirror_planning_scene")
        self.margin_m = self.declare_parameter("margin_m", 0.01).value  # added on all sides
        self.max_sigma_m = self.declare_parameter("max_sigma_m", 0.1).value
        self.expiry_s = self.declare_parameter("expiry_s", 3.0).value
        self.seen = {}  # name -> stamp of the newest message with it, frame
        self.scene = self.create_publisher(PlanningScene, "/planning_scene", 10)
        self.create_subscription(Detection3DArray, "tracks_3d", self.on_tracks, 10)
        self.create_timer(0.5, self.expire)

    def on_tracks(self, message):
        """Add new objects and move those that are there already."""
        boxes = []
        for found in message.detections:
            variance = found.results[0].pose.covariance
            sigma_m = max(variance[0], variance[7], variance[14]) ** 0.5
            if sigma_m > self.max_sigma_m:
                continue  # neither a place to avoid nor one to go to
            name = f"{found.results[0].hypothesis.class_id}_{found.id}"
            name = re.sub(r"[^A-Za-z0-9]+", "_", name)
            self.seen[name] = Time.from_msg(message.header.stamp), message.header.frame_id
            boxes.append(self.to_object(name, message.header, found.bbox))
        self.publish(boxes)

    def to_object(self, name, header, bbox):
        """Return the box of an object; ADD also replaces the one of that name."""
        size = [side + 2 * self.margin_m for side in (bbox.size.x, bbox.size.y, bbox.size.z)]
        box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size)
        made = CollisionObject(header=header, id=name, operation=CollisionObject.ADD)
        made.primitives, made.primitive_poses = [box], [bbox.center]
        return made

    def expire(self, now=None):
        """Remove what has not been seen for a while; silence means that nothing is known."""
        now = now or self.get_clock().now()
        gone = [
            name
            for name, (stamp, _) in self.seen.items()
            if (now - stamp).nanoseconds / 1e9 > self.expiry_s
        ]
        removed = [CollisionObject(id=name, operation=CollisionObject.REMOVE) for name in gone]
        for item in removed:
            item.header.frame_id = self.seen.pop(item.id)[1]
        self.publish(removed)

    def publish(self, objects):
        """Publish one diff, if there is anything in it."""
        if objects:
            diff = PlanningScene(is_diff=True)
            diff.robot_state.is_diff = True
            diff.world.collision_objects = objects
            self.scene.publish(diff)


if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())  # no exception in the middle of a callback
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    executor.add_node(node := MirrorPlanningScene())
    while not ended.is_set():
        executor.spin_once(timeout_sec=0.5)
    node.expiry_s = float("-inf")
    node.expire()
    node.scene.wait_for_all_acked(Duration(seconds=2))
