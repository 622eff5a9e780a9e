# SPDX-License-Identifier: Apache-2.0
"""A managed node that counts while it is active; it goes through its states by itself once."""

from std_msgs.msg import String

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


class Counter(LifecycleNode):
    """Publishes a count on `count` while active."""

    def __init__(self):
        super().__init__("counter")
        self.count, self.publisher, self.timer = 0, None, None

    def on_configure(self, state):
        self.publisher = self.create_lifecycle_publisher(String, "count", 10)
        self.timer = self.create_timer(0.1, self.tick)
        return super().on_configure(state)

    def on_cleanup(self, state):
        self.destroy_timer(self.timer)
        self.destroy_lifecycle_publisher(self.publisher)
        return TransitionCallbackReturn.SUCCESS

    def tick(self):
        if self.publisher.is_activated:
            self.count += 1
            self.publisher.publish(String(data=str(self.count)))


def main():
    rclpy.init()
    node = Counter()
    try:
        node.trigger_configure()
        node.trigger_activate()
        while node.count < 5:
            rclpy.spin_once(node)
        node.trigger_deactivate()
        node.trigger_cleanup()
        node.get_logger().info(f"counted to {node.count}")
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
