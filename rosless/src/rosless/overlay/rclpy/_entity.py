# SPDX-License-Identifier: Apache-2.0
"""What everything that a node creates has in common."""

import inspect


class Incomplete:
    """Base of classes that have a part of what rclpy's have: asking for more says so."""

    def __getattr__(self, name):
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r} (if it is a part of rclpy: "
            "rosless does not supply it, a real ROS 2 is needed)"
        )


def refuse(arguments):
    """Raise for keyword `arguments` that no parameter takes."""
    if arguments:
        names = ", ".join(sorted(arguments))
        raise TypeError(f"rosless does not supply the argument {names}: a real ROS 2 is needed")


class Entity(Incomplete):
    """Base of publishers, subscriptions, services, clients and timers.

    Executors call `_take` when the entity is ready; what it returns, unless None, goes to
    `_execute`, which calls the callback.
    """

    _condition = None  # handle of the DDS condition that says when; None: never, 0: a timer
    _endpoints = ()
    malformed_count = 0

    def __init__(self, node, callback_group, callback=None):
        if inspect.iscoroutinefunction(callback):
            raise TypeError("rosless does not run coroutines: a real ROS 2 is needed for them")
        self._node, self.callback = node, callback
        self.callback_group = callback_group or node.default_callback_group

    def destroy(self):
        self._node._ros_destroy(self)

    def _close(self):
        for endpoint in self._endpoints:
            endpoint.close()

    def _drop(self, what, error):
        """Count a sample that is no valid CDR; report the 1st, 2nd, 4th, 8th and so on."""
        self.malformed_count += 1
        if self.malformed_count & (self.malformed_count - 1) == 0:
            self._node.get_logger().error(
                f"dropped malformed {what} {self.malformed_count} {error}"
            )
