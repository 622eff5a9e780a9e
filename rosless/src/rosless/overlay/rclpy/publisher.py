# SPDX-License-Identifier: Apache-2.0
"""Publishers."""

from rclpy._entity import Entity
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.duration import Infinite
from rclpy.qos import ReliabilityPolicy
from rosless import dds
from rosless.messages import serialize


class Publisher(Entity):
    """Made by Node.create_publisher."""

    def __init__(self, node, group, msg_type, topic_name, qos_profile):
        super().__init__(node, group)
        self.msg_type, self.topic_name, self.qos_profile = msg_type, topic_name, qos_profile
        best_effort = qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
        self._safe_size = dds.receive_limit() if best_effort else None
        self._writer = dds.Writer(*node._ros_endpoint("rt", topic_name, msg_type), qos_profile)
        self._endpoints = [self._writer]

    def publish(self, msg):
        """Publish a message, or CDR bytes as they are."""
        if isinstance(msg, self.msg_type):
            data = serialize(msg)
        elif isinstance(msg, bytes):
            data = bytearray(msg)
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")
        if self._writer.closed:
            raise InvalidHandle("cannot use Destroyable because destruction was requested")
        if self._safe_size is not None and len(data) > self._safe_size:
            self._warn_of_losses(len(data))
        self._writer.write(data)

    def _warn_of_losses(self, size):
        """Once: the system drops what does not fit, and nothing tells the receiver."""
        self._node.get_logger().warning(
            f"{self.topic_name}: messages of {size} bytes are sent best effort, but sockets here "
            f"may buffer only {self._safe_size} bytes, so some will be lost. Make publisher and "
            "subscription reliable, or raise the limit: sudo sysctl -w net.core.rmem_max=8388608"
        )
        self._safe_size = None

    def get_subscription_count(self):
        """How many subscriptions are connected."""
        return len(self._writer.matched())

    def wait_for_all_acked(self, timeout=Infinite):
        """True when all subscriptions have everything, False after the Duration `timeout`."""
        return self._writer.wait_for_acks(timeout.nanoseconds)
