# SPDX-License-Identifier: Apache-2.0
"""The pinhole lens of a camera: focal lengths and the middle of the image, in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray


@dataclass(frozen=True)
class Intrinsics:
    """Lens of a rectified image: ``K`` of ``camera_info``, all in px.

    Raises:
        ValueError: a focal length is not positive, or a value is not finite.

    >>> Intrinsics.from_k([500, 0, 320, 0, 510, 240, 0, 0, 1])
    Intrinsics(fx_px=500.0, fy_px=510.0, cx_px=320.0, cy_px=240.0)
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        values = (self.fx_px, self.fy_px, self.cx_px, self.cy_px)
        if not np.isfinite(values).all() or self.fx_px <= 0 or self.fy_px <= 0:
            raise ValueError(
                f"Intrinsics needs finite values and positive focal lengths, got {values}; "
                "an uncalibrated camera sends zeros in camera_info"
            )

    def __iter__(self) -> Iterator[float]:
        """Unpack as ``fx, fy, cx, cy``."""
        return iter((self.fx_px, self.fy_px, self.cx_px, self.cy_px))

    @classmethod
    def from_k(cls, k: object) -> Intrinsics:
        """Return the lens of a 3x3 camera matrix, or of its nine values row by row."""
        matrix = np.asarray(k, dtype=np.float64).reshape(3, 3)
        return cls(*(float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))))

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
