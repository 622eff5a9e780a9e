# SPDX-License-Identifier: Apache-2.0
"""A service, and a client that calls it: `python switch.py serve &`, then `python switch.py on`."""

import sys

from std_srvs.srv import SetBool

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


class Switch(Node):
    """Remembers whether it is on."""

    def __init__(self):
        super().__init__("switch")
        self.create_service(SetBool, "~/set", self.on_set)

    def on_set(self, request, response):
        response.success = True
        response.message = f"the switch is {'on' if request.data else 'off'}"
        self.get_logger().info(response.message)
        return response


def call(wanted):
    """Ask the switch; returns the exit code."""
    node = Node("caller")
    client = node.create_client(SetBool, "/switch/set")
    if not client.wait_for_service(timeout_sec=5.0):
        node.get_logger().error("no switch found; start `python switch.py serve` first")
        return 1
    future = client.call_async(SetBool.Request(data=wanted == "on"))
    rclpy.spin_until_future_complete(node, future, timeout_sec=5.0)
    print(future.result().message)
    return 0


def main():
    rclpy.init()
    words = rclpy.utilities.remove_ros_args(sys.argv)[1:]
    try:
        if words == ["serve"]:
            rclpy.spin(Switch())
        elif words in (["on"], ["off"]):
            return call(words[0])
        else:
            print("usage: switch.py serve | on | off", file=sys.stderr)
            return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
