# SPDX-License-Identifier: Apache-2.0
"""Subscriptions."""

import inspect

from rclpy._entity import Entity
from rosless import dds
from rosless.messages import CdrError, deserialize


class Subscription(Entity):
    """Made by Node.create_subscription. `malformed_count`: samples dropped as no valid CDR."""

    def __init__(self, node, msg_type, topic_name, callback, qos_profile, callback_group, raw):
        super().__init__(node, callback_group)
        self.msg_type, self.qos_profile = msg_type, qos_profile
        self.topic = self.topic_name = topic_name
        self.callback, self.raw, self.malformed_count = callback, raw, 0
        self._with_info = _takes_two(callback)
        type_name = msg_type._definition.name
        self._reader = dds.Reader(node._ros_participant, f"rt{topic_name}", type_name, qos_profile)
        self._endpoints = [self._reader]
        self._condition = self._reader.condition

    def get_publisher_count(self):
        return len(self._reader.matched())

    def _take(self):
        """Arguments of the callback for the oldest message waiting, None when there is none."""
        while (taken := self._reader.take()) is not None:
            data, info = taken
            try:
                message = bytes(data) if self.raw else deserialize(data, self.msg_type)
            except CdrError as error:
                self._drop("message", f"on {self.topic_name}: {error}")
                continue
            if not self._with_info:
                return (message,)
            return message, {
                "source_timestamp": info.source_timestamp,
                "received_timestamp": info.source_timestamp,
                "publication_sequence_number": None,
                "reception_sequence_number": None,
            }
        return None

    def _execute(self, arguments):
        return self.callback(*arguments)


def _takes_two(callback):
    """True when the callback cannot be called with the message alone: it wants its info too."""
    try:
        inspect.signature(callback).bind(object())
    except TypeError:
        return True
    except ValueError:  # a builtin without signature
        pass
    return False
