# SPDX-License-Identifier: Apache-2.0
"""Subscriptions."""

import inspect

from rclpy._entity import Entity
from rosless import dds
from rosless.messages import CdrError, deserialize


class Subscription(Entity):
    """Made by Node.create_subscription. `malformed_count`: samples dropped as no valid CDR."""

    def __init__(self, node, group, msg_type, topic_name, qos_profile, callback):
        super().__init__(node, group, callback)
        self.msg_type, self.topic_name, self.qos_profile = msg_type, topic_name, qos_profile
        self._with_info = _takes_two(callback)
        self._reader = dds.Reader(*node._ros_endpoint("rt", topic_name, msg_type), qos_profile)
        self._endpoints, self._condition = [self._reader], self._reader.condition

    def get_publisher_count(self):
        """How many publishers are connected."""
        return len(self._reader.matched())

    def _take(self):
        """Arguments of the callback for the oldest message waiting, None when there is none."""
        while (taken := self._reader.take()) is not None:
            data, info = taken
            try:
                message = deserialize(data, self.msg_type)
            except CdrError as error:
                self._drop("message", f"on {self.topic_name}: {error}")
                continue
            return (message, {"source_timestamp": info.source_timestamp})[: 1 + self._with_info]
        return None

    def _execute(self, arguments):
        self.callback(*arguments)


def _takes_two(callback):
    """True when the callback cannot be called with the message alone: it wants its info too."""
    try:
        inspect.signature(callback).bind(object())
    except TypeError:
        return True
    except ValueError:  # a builtin without signature
        pass
    return False
