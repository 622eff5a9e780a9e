# SPDX-License-Identifier: Apache-2.0
"""Subscriptions."""

import inspect

from rosless import dds
from rosless.messages import CdrError, deserialize


class Subscription:
    """Made by Node.create_subscription. `malformed_count`: samples dropped as no valid CDR."""

    def __init__(self, node, msg_type, topic_name, callback, qos_profile, callback_group, raw):
        self._node, self.msg_type, self.topic_name = node, msg_type, topic_name
        self.topic, self.qos_profile, self.callback_group = topic_name, qos_profile, callback_group
        self.callback, self.raw, self.malformed_count = callback, raw, 0
        self._with_info = _takes_two(callback)
        type_name = msg_type._definition.name
        self._reader = dds.Reader(node._ros_participant, f"rt{topic_name}", type_name, qos_profile)
        self._endpoints = [self._reader]
        self._condition = self._reader.condition

    @property
    def logger_name(self):
        return self._node.get_logger().name

    def get_publisher_count(self):
        return self._reader.matched()

    def _take(self):
        """Arguments of the callback for the oldest message waiting, None when there is none."""
        while (taken := self._reader.take()) is not None:
            data, info = taken
            try:
                message = bytes(data) if self.raw else deserialize(data, self.msg_type)
            except CdrError as error:
                self.malformed_count += 1
                self._node.get_logger().error(
                    f"dropped malformed message {self.malformed_count} "
                    f"on {self.topic_name}: {error}",
                    throttle_duration_sec=1.0,
                )
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

    def destroy(self):
        self._node.destroy_subscription(self)

    def _close(self):
        self._reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()


def _takes_two(callback):
    """True when the callback cannot be called with the message alone: it wants its info too."""
    try:
        inspect.signature(callback).bind(object())
    except TypeError:
        return True
    except ValueError:  # a builtin without signature
        pass
    return False
