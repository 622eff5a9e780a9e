# SPDX-License-Identifier: Apache-2.0
"""A subscription to images that keeps account of those that did not arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.sensors.arrivals import ArrivalMonitor
from lfmvl_ros.ros.sensors.pixels import ConversionError

_NO_SEQUENCE = 2**64 - 1  # what an RMW without sequence numbers puts in their place


def subscribe_to_images(
    create: Callable[..., Subscription],
    kind: type,
    topic: str,
    callback: Callable[[Any], None],
    profile: QoSProfile,
    arrivals: ArrivalMonitor,
    **options: Any,
) -> Subscription:
    """Subscribe to images and count in ``arrivals`` those that come and those that are lost.

    Args:
        create: makes the subscription: ``Node.create_subscription`` or
            :meth:`StreamReader.subscribe <lfmvl_ros.ros.streams.StreamReader.subscribe>`.
        kind: Image or CompressedImage.
        topic: its name.
        callback: takes each message.
        profile: quality of service.
        arrivals: keeps the counts.
        options: more keyword arguments of ``create``.
    """

    def on_image(message: Image | CompressedImage, info: dict[str, int]) -> None:
        sequence = info["publication_sequence_number"]
        try:
            stamp_ns = conversions.stamp_ns(message.header.stamp)
        except ConversionError:  # the image is dropped, and counted, when it is decoded
            stamp_ns = 0
        arrivals.arrived(stamp_ns, None if sequence in (0, _NO_SEQUENCE) else sequence)
        callback(message)

    def on_loss(event: Any) -> None:
        arrivals.lost(event.total_count_change)

    try:
        subscription = create(
            kind, topic, on_image, profile,
            event_callbacks=SubscriptionEventCallbacks(message_lost=on_loss), **options,
        )  # fmt: skip
    except UnsupportedEventTypeError:  # the stamps are what is left
        return create(kind, topic, on_image, profile, **options)
    arrivals.counts_losses()
    return subscription
