# SPDX-License-Identifier: Apache-2.0
"""What a robot says of a camera besides images: messages -> angular rates, lens, mounting.

Beside ``conversions``, the only file that reads message fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo, Imu
from tf2_msgs.msg import TFMessage

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros.conversions import stamp_ns
from lfmvl_ros.ros.sensors.pixels import ConversionError

# Twice what the fastest gyroscopes measure (4000 degrees a second); what is beyond is no rate.
LARGEST_RAD_S = 140.0
# An image in these models is no pinhole's, not even nearly: its edges move otherwise.
_FISHEYE = ("equidistant", "fisheye", "kannala_brandt", "kannala_brandt4")


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


@dataclass(frozen=True)
class Lens:
    """The calibration of a camera.

    Attributes:
        intrinsics: of the image as it is published (region of interest, binning).
        wh: size of the image it is for, px; (0, 0) when it does not say.
    """

    intrinsics: Intrinsics
    wh: tuple[int, int]


def to_rate(message: Imu) -> Rate:
    """Return the angular velocity of a message.

    Raises:
        ConversionError: there is none in it (``not_provided``: its covariance begins with -1), or
            no gyroscope measures it, or the stamp is impossible (``corrupt``).
    """
    if message.angular_velocity_covariance[0] == -1:
        raise ConversionError("the IMU says that it measures no angular velocity", "not_provided")
    turn = message.angular_velocity
    rad_s = (float(turn.x), float(turn.y), float(turn.z))
    if not all(abs(value) <= LARGEST_RAD_S for value in rad_s):  # also when it is not a number
        raise ConversionError(f"an angular velocity of {rad_s} rad/s can't be")
    return Rate(stamp_ns(message.header.stamp), message.header.frame_id, rad_s)


def are_rectified(images: str) -> bool:
    """Tell from a camera's topic whether its images are rectified, as image_proc names them.

    Args:
        images: resolved name; its last part, or the one before ``/compressed``, counts.

    >>> are_rectified("/cam/image_rect_color/compressed"), are_rectified("/cam/image_raw")
    (True, False)
    """
    return any(part.startswith("image_rect") for part in images.split("/")[-2:])


def to_lens(message: CameraInfo, *, rectified: bool) -> Lens:
    """Return the lens of a calibration.

    Distortion is not undone: of a raw image this is the lens near its middle.

    Args:
        message: K and P are those of the full image; binning and region of interest change it.
        rectified: whether images are rectified: P is theirs then, K that of raw ones.

    Raises:
        ConversionError: the camera is not calibrated, or its raw images are a fisheye's.
    """
    if not rectified and message.distortion_model in _FISHEYE:
        raise ConversionError(
            f"camera_info says {message.distortion_model}: rectify the fisheye's images "
            "(image_rect) to have their movement foretold"
        )
    p = [float(value) for value in message.p]
    fx, cx, fy, cy = p[0], p[2], p[5], p[6]
    if not rectified or not fx or not fy:
        fx, cx, fy, cy = (float(message.k[i]) for i in (0, 2, 4, 5))
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or fx <= 0 or fy <= 0:
        raise ConversionError("camera_info holds no calibration (focal lengths must be above 0)")
    roi = message.roi
    across, down = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    width = int(roi.width or message.width) // across
    height = int(roi.height or message.height) // down
    middle = ((cx - roi.x_offset) / across, (cy - roi.y_offset) / down)
    return Lens(Intrinsics(fx / across, fy / down, *middle), (width, height))


def to_transforms(message: TFMessage) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    """Yield parent, child and the rotation of the child in the parent as x, y, z, w."""
    for item in message.transforms:
        turn = item.transform.rotation
        yield item.header.frame_id, item.child_frame_id, (turn.x, turn.y, turn.z, turn.w)
