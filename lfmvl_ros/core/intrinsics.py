# SPDX-License-Identifier: Apache-2.0
"""The pinhole lens of a camera: focal lengths and the middle of the image, in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray

# No camera is outside: what is smaller is zero written badly, what is larger overflows.
FOCAL_LENGTHS_PX = (0.1, 1e7)


@dataclass(frozen=True)
class Intrinsics:
    """Lens of an image, all in px; :func:`lfmvl_ros.ros.sensors.lens.to_lens` reads messages.

    Raises:
        ValueError: a focal length is outside :data:`FOCAL_LENGTHS_PX`, the middle is further out
            than the longest of them, or a value is not finite.

    >>> Intrinsics(500.0, 510.0, 320.0, 240.0)
    Intrinsics(fx_px=500.0, fy_px=510.0, cx_px=320.0, cy_px=240.0)
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        values = (self.fx_px, self.fy_px, self.cx_px, self.cy_px)
        low, high = FOCAL_LENGTHS_PX
        if not (
            np.isfinite(values).all()
            and low <= self.fx_px <= high
            and low <= self.fy_px <= high
            and max(abs(self.cx_px), abs(self.cy_px)) <= high
        ):
            raise ValueError(
                f"Intrinsics needs finite values, focal lengths of {low:g} to {high:g} px and a "
                f"middle within {high:g} px, got {values}; an uncalibrated camera sends zeros in "
                "camera_info"
            )

    def __iter__(self) -> Iterator[float]:
        """Unpack as ``fx, fy, cx, cy``."""
        return iter((self.fx_px, self.fy_px, self.cx_px, self.cy_px))

    def project(self, points_m: FloatArray) -> FloatArray:
        """Return where points are seen, ``(..., 2)`` px; (0, 0) is the middle of the first pixel.

        Args:
            points_m: ``(..., 3)`` in the optical frame of the camera, in front of it (z above 0).

        >>> Intrinsics(500.0, 510.0, 320.0, 240.0).project(np.array([0.5, 0.0, 2.0])).tolist()
        [445.0, 240.0]
        """
        on_plane = points_m[..., :2] / points_m[..., 2:]
        focal, middle = (self.fx_px, self.fy_px), (self.cx_px, self.cy_px)
        return np.asarray(on_plane * np.array(focal) + np.array(middle))

    def homography(self, rotation: FloatArray, scale: FloatArray) -> FloatArray:
        """Return ``(3, 3)`` that takes points of an image to where a rotation puts them.

        Args:
            rotation: ``(3, 3)`` see :meth:`lfmvl_ros.core.tracking.EgoMotion.rotation`.
            scale: ``(2,)`` px of a copy of the image, in which the points are, for one of its.
        """
        matrix = np.array(
            [[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]]
        )
        matrix[:2] *= scale[:, None]
        return np.asarray(matrix @ rotation @ np.linalg.inv(matrix))
