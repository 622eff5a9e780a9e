# SPDX-License-Identifier: Apache-2.0
"""Reads messages about a camera other than images: angular rates, intrinsics, mounting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.ros.sensors.frames import StaticFrames
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.rates import RateLog
from lfmvl_ros.ros.sensors.stamps import stamp_ns

# Twice what the fastest gyroscopes measure (4000 degrees a second); larger values are invalid.
LARGEST_RAD_S = 140.0


@dataclass(frozen=True)
class Rate:
    """One measurement of a gyroscope.

    Attributes:
        stamp_ns: when; 0 when the driver set no stamp.
        frame_id: whose axes.
        rad_s: angular velocity about x, y, z.
    """

    stamp_ns: int
    frame_id: str
    rad_s: tuple[float, float, float]


def to_rate(message: Any) -> Rate:
    """Return the angular velocity of a ``sensor_msgs/Imu``.

    Raises:
        ConversionError: there is none in it (``not_provided``: its covariance begins with -1), or
            no gyroscope measures it, or the stamp is impossible (``corrupt``).
    """
    if message.angular_velocity_covariance[0] == -1:
        raise ConversionError(
            "the IMU states that it does not measure angular velocity", "not_provided"
        )
    turn = message.angular_velocity
    rad_s = (float(turn.x), float(turn.y), float(turn.z))
    if not all(abs(value) <= LARGEST_RAD_S for value in rad_s):  # also when it is not a number
        raise ConversionError(f"an angular velocity of {rad_s} rad/s is impossible")
    return Rate(stamp_ns(message.header.stamp), message.header.frame_id, rad_s)


def taken_rate(message: Any, log: RateLog, on_warning: Callable[[str], None]) -> Rate | None:
    """Return the angular velocity of a ``sensor_msgs/Imu``; None for one that can't be used.

    That is counted in ``log`` as dropped; the first of each reason is a warning.
    """
    try:
        return to_rate(message)
    except ConversionError as error:
        if log.reject(error.reason, str(error)):
            on_warning(f"IMU message dropped ({error.reason}): {error}")
        return None


def take_transforms(
    message: Any, frames: StaticFrames, on_warning: Callable[[str], object]
) -> None:
    """Add what a ``tf2_msgs/TFMessage`` of ``/tf_static`` says; what is impossible is a warning."""
    for parent, child, turn in to_transforms(message):
        try:
            frames.add(parent, child, turn)
        except ValueError as error:
            on_warning(f"a static transform is left out: {error}")


def to_transforms(message: Any) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    """Yield parent, child and the rotation of the child in the parent as x, y, z, w."""
    for item in message.transforms:
        turn = item.transform.rotation
        yield item.header.frame_id, item.child_frame_id, (turn.x, turn.y, turn.z, turn.w)
