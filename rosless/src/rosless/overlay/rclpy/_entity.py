# SPDX-License-Identifier: Apache-2.0
"""What everything that a node creates has in common."""


class Incomplete:
    """Base of classes that have a part of what rclpy's have: asking for more says so."""

    def __getattr__(self, name):
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r} (if it is a part of rclpy: "
            "rosless does not supply it, a real ROS 2 is needed)"
        )


class Entity(Incomplete):
    """Base of publishers, subscriptions, services, clients, timers and guard conditions.

    Executors call `_take` when the entity is ready; what it returns, unless None, goes to
    `_execute`, which calls the callback.
    """

    _condition = None  # handle of the DDS condition that says when; None: never, 0: a timer
    _endpoints = ()

    def __init__(self, node, callback_group):
        self._node, self.callback_group = node, callback_group

    @property
    def logger_name(self):
        return self._node.get_logger().name

    def destroy(self):
        self._node._ros_destroy(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def _close(self):
        for endpoint in self._endpoints:
            endpoint.close()

    def _drop(self, what, error):
        """Count and report a sample that is no valid CDR."""
        self.malformed_count += 1
        self._node.get_logger().error(
            f"dropped malformed {what} {self.malformed_count} {error}", throttle_duration_sec=1.0
        )
