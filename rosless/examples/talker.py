# SPDX-License-Identifier: Apache-2.0
"""Publishes text twice a second: `python talker.py --ros-args -p rate:=10.0`."""

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from std_msgs.msg import String

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


class Talker(Node):
    """A timer, a publisher and a parameter."""

    def __init__(self):
        super().__init__("talker")
        limits = [FloatingPointRange(from_value=0.1, to_value=100.0)]
        descriptor = ParameterDescriptor(description="Hz", floating_point_range=limits)
        rate = self.declare_parameter("rate", 2.0, descriptor).value
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.count = 0
        self.create_timer(1.0 / rate, self.talk)

    def talk(self):
        self.count += 1
        self.publisher.publish(String(data=f"hello {self.count}"))


def main():
    rclpy.init()
    node = Talker()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
