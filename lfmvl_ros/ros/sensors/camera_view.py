# SPDX-License-Identifier: Apache-2.0
"""An image of a simulated camera with its depth, its pose, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.core.spatial.rigid import RigidTransform


@dataclass(frozen=True, eq=False)
class TrueObject:
    """One object that is really there.

    Attributes:
        id: positive; the same for as long as the source runs.
        label: what it is.
        visibility: visible pixels / those of its whole silhouette, in [0, 1].
        xyxy_px: ``(4,)`` tight box of its visible pixels; zeros where nothing is visible.
        centre_m: ``(3,)`` middle of its box, in the world.
        size_m: ``(3,)`` full extents along the axes of the box.
        xyzw: orientation of the box in the world, a unit quaternion.
    """

    id: int
    label: str
    visibility: float
    xyxy_px: FloatArray
    centre_m: FloatArray
    size_m: FloatArray
    xyzw: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class CameraView:
    """What a simulated camera sees at one time.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        depth_mm: ``(H, W)`` uint16, registered to the image, 0 where there is none; None where it
            was not asked for.
        pose: of the optical frame in the world.
        truth: the objects in the image; empty where depth was not asked for.
    """

    pixels: Pixels
    depth_mm: NDArray[np.uint16] | None
    pose: RigidTransform
    truth: tuple[TrueObject, ...]

    @classmethod
    def of_pixels(cls, pixels: Pixels) -> CameraView:
        """Return a view of which nothing but the image ``(H, W, 3)`` is known."""
        return cls(pixels, None, RigidTransform.identity(), ())


@runtime_checkable
class ViewSource(Protocol):
    """An :class:`~lfmvl_ros.ros.sensors.image_sources.ImageSource` that knows more than images."""

    def read_view(self, *, depth: bool) -> CameraView | None:
        """Return the next image with the rest; None after the last.

        Args:
            depth: measure depth; it takes time.
        """
