# SPDX-License-Identifier: Apache-2.0
"""One camera image, with the time at which and the frame in which it was taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.region import Region
from lfmvl_ros.core.timeline import check_capture_stamp


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera image on its way through the pipeline. The pixels are never modified.

    Attributes:
        pixels: ``(H, W, 3)`` uint8, RGB, C-contiguous, H and W at least 1.
        stamp_ns: capture time from the image header, integer nanoseconds of the ROS clock, >= 0.
        frame_id: the header's coordinate frame, empty when the driver sets none.
        camera: which of the node's cameras took it; empty when there is one.
        region: the part of the camera image that ``pixels`` shows, enlarged to the size of that
            image; None: all of it.

    Raises:
        ValueError: an attribute is outside the ranges above.

    >>> Frame(np.zeros((480, 640, 3), np.uint8), stamp_ns=1_000, frame_id="camera").wh
    (640, 480)
    """

    pixels: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str = ""
    camera: str = ""
    region: Region | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            got = getattr(pixels, "dtype", type(pixels).__name__)
            raise ValueError(f"Frame.pixels must be a uint8 array, got {got}")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ValueError(
                f"Frame.pixels must be (H, W, 3) RGB with H, W >= 1, got {pixels.shape}"
            )
        if not pixels.flags.c_contiguous:
            raise ValueError("Frame.pixels must be C-contiguous: pass np.ascontiguousarray(pixels)")
        check_capture_stamp("Frame.stamp_ns", self.stamp_ns)
        if self.region is not None and self.region.wh != self.wh:
            raise ValueError(f"Frame.pixels are {self.wh}, its image is {self.region.wh}")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def wh(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.width, self.height

    def cropped(self, region: Region) -> Frame:
        """Return the part of this frame, which is a whole one, that a region covers.

        It is as large as the whole image, so that a model sees it at the size, takes the time, and
        gets the number of image tokens that it is used to.

        Raises:
            ValueError: the region is of an image of another size.
        """
        if self.region is not None or region.wh != self.wh:
            raise ValueError(f"a region of {region.wh} can't be cut from a frame of {self.wh}")
        enlarged = cv2.resize(region.cut_from(self.pixels), self.wh, interpolation=cv2.INTER_CUBIC)
        return replace(self, pixels=np.asarray(enlarged, dtype=np.uint8), region=region)
