# SPDX-License-Identifier: Apache-2.0
"""One camera image, with the time at which and the frame in which it was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera image on its way through the pipeline. The pixels are never modified.

    Attributes:
        pixels: ``(H, W, 3)`` uint8, RGB, C-contiguous, H and W at least 1.
        stamp_ns: capture time from the image header, integer nanoseconds of the ROS clock, >= 0.
        frame_id: the header's coordinate frame, empty when the driver sets none.
        camera: which of the node's cameras took it; empty when there is one.

    Raises:
        ValueError: an attribute is outside the ranges above.

    >>> Frame(np.zeros((480, 640, 3), np.uint8), stamp_ns=1_000, frame_id="camera").wh
    (640, 480)
    """

    pixels: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str = ""
    camera: str = ""

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
        if not isinstance(self.stamp_ns, int) or self.stamp_ns < 0:
            raise ValueError(
                f"Frame.stamp_ns must be integer nanoseconds >= 0, got {self.stamp_ns!r}"
            )

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
