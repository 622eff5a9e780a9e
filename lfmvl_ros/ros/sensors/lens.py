# SPDX-License-Identifier: Apache-2.0
"""The lens that a ``camera_info`` states. Imports no ROS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros.sensors.pixels import ConversionError

# Images of these models are not even nearly those of a pinhole: their edges move differently.
_FISHEYE = ("equidistant", "fisheye", "kannala_brandt", "kannala_brandt4")


@dataclass(frozen=True)
class Lens:
    """The calibration of a camera.

    Attributes:
        intrinsics: of the image as it is published (region of interest, binning).
        wh: size of the image it is for, px; (0, 0) when it does not say.
    """

    intrinsics: Intrinsics
    wh: tuple[int, int]

    def unfit_for(self, wh: tuple[int, int]) -> str:
        """Return why this is not the lens of images of that size; "" if it is."""
        if not all(self.wh) or self.wh == wh:
            return ""
        (width, height), (across, down) = self.wh, wh
        return f"camera_info is for {width}x{height}, the images have {across}x{down}"


def are_rectified(images: str) -> bool:
    """Tell from a camera's topic whether its images are rectified, as image_proc names them.

    Args:
        images: resolved name; its last part, or the one before ``/compressed``, counts.

    >>> are_rectified("/cam/image_rect_color/compressed"), are_rectified("/cam/image_raw")
    (True, False)
    """
    return any(part.startswith("image_rect") for part in images.split("/")[-2:])


def to_lens(message: Any, *, rectified: bool) -> Lens:
    """Return the lens of a calibration.

    Distortion is not undone: of a raw image this is the lens near its middle.

    Args:
        message: with the fields of ``sensor_msgs/CameraInfo``. K and P are those of the full image;
            binning and region of interest change it.
        rectified: whether images are rectified: P is theirs then, K that of raw ones.

    Raises:
        ConversionError: the camera is not calibrated, or its raw images are a fisheye's.
    """
    if not rectified and message.distortion_model in _FISHEYE:
        raise ConversionError(
            f"camera_info states {message.distortion_model}: a fisheye's raw images have no lens "
            "that fits; use rectified ones (image_rect)"
        )
    p = [float(value) for value in message.p]
    fx, cx, fy, cy = p[0], p[2], p[5], p[6]
    if not rectified or not fx or not fy:
        fx, cx, fy, cy = (float(message.k[i]) for i in (0, 2, 4, 5))
    roi = message.roi
    if roi.x_offset + roi.width > message.width or roi.y_offset + roi.height > message.height:
        raise ConversionError(
            f"camera_info has a region of interest of {roi.width}x{roi.height} at {roi.x_offset}, "
            f"{roi.y_offset} in an image of {message.width}x{message.height}"
        )
    across, down = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    width = int(roi.width or message.width) // across
    height = int(roi.height or message.height) // down
    middle = ((cx - roi.x_offset) / across, (cy - roi.y_offset) / down)
    try:
        return Lens(Intrinsics(fx / across, fy / down, *middle), (width, height))
    except ValueError as error:
        raise ConversionError(
            f"camera_info holds no calibration (fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g})"
        ) from error
