# SPDX-License-Identifier: Apache-2.0
"""Prints what the talker says."""

from std_msgs.msg import String

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


class Listener(Node):
    """A subscription."""

    def __init__(self):
        super().__init__("listener")
        self.create_subscription(String, "chatter", self.on_text, 10)

    def on_text(self, message):
        self.get_logger().info(f"heard: {message.data}")


def main():
    rclpy.init()
    node = Listener()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
