# SPDX-License-Identifier: Apache-2.0
"""The inputs of one camera's places: depth images and lenses, checked. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.transforms import TransformBuffer, TransformError
from lfmvl_ros.core.timeline import NS_PER_S
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.sensors.lens import Lens, to_lens
from lfmvl_ros.ros.sensors.pairing import (
    ImageGeometry,
    StampedBuffer,
    StampMatch,
    registration_problem,
)
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.place_messages import to_depth_image
from lfmvl_ros.ros.sensors.stamps import stamp_ns

# Depth images are kept for the longest wait and this: they may come before their image.
_EARLY_S = 1.0


@dataclass(frozen=True)
class Problem:
    """Why an image has no usable depth, lens or transform.

    Attributes:
        reason: such as ``no_depth``; ``place_health`` lists them.
        text: what was expected, what came, what to do.
    """

    reason: str
    text: str


class PlaceData:
    """Depth and calibration of one camera.

    Args:
        settings: returns the settings in force.
        note: called with each problem.

    Attributes:
        lens: of the images; None until one is known.
        lens_problem: why there is no lens.
        depth_lens: of the depth images; None where it is not known.
    """

    def __init__(
        self, settings: Callable[[], PerceptionSettings], note: Callable[[Problem], None]
    ) -> None:
        self._settings, self._note = settings, note
        self.reset(rectified=False)

    def reset(self, *, rectified: bool) -> None:
        """Start from nothing.

        Args:
            rectified: the camera's images are.
        """
        self._rectified = rectified
        self.lens: Lens | None = None
        self.lens_problem = "no camera_info has come yet"
        self.depth_lens: Lens | None = None
        self._depth: StampedBuffer[Any] = StampedBuffer()

    def restart(self) -> None:
        """Forget depth images: time has started again."""
        self._depth.clear()

    # -- messages ----------------------------------------------------------------------------------

    def camera_info(self, message: Any) -> None:
        """Take the camera's calibration."""
        try:
            self.lens, self.lens_problem = to_lens(message, rectified=self._rectified), ""
        except ConversionError as error:
            self.lens, self.lens_problem = None, str(error)

    def depth(self, message: Any) -> None:
        """Take a depth image, raw or of ``compressedDepth``."""
        try:
            taken_ns = stamp_ns(message.header.stamp)
        except ConversionError as error:
            self._note(Problem("corrupt", f"depth image dropped: {error}"))
        else:
            keep_s = self._settings().spatial.tf_timeout_s + _EARLY_S
            self._depth.add(taken_ns, message, round(keep_s * NS_PER_S))

    def depth_info(self, message: Any) -> None:
        """Take the calibration of the depth camera."""
        try:
            self.depth_lens = to_lens(message, rectified=self._rectified)
        except ConversionError:
            self.depth_lens = None  # as if it had not come: the frames decide

    # -- for one image -----------------------------------------------------------------------------

    def nearest(self, stamp_ns: int, slop_s: float) -> StampMatch[Any]:
        """Return the depth message that belongs to a stamp."""
        return self._depth.nearest(stamp_ns, round(slop_s * NS_PER_S))

    def lens_for(self, tracks: Tracks) -> Intrinsics | None:
        """Return the lens of the tracks' image; None, after noting why, when there is none."""
        lens, text = self.lens, self.lens_problem
        if lens is not None and (unfit := lens.unfit_for(tracks.wh)):
            lens, text = None, unfit
        if lens is None:
            self._note(Problem("no_intrinsics", text))
            return None
        return lens.intrinsics

    def depth_for(
        self, tracks: Tracks, message: Any, transforms: TransformBuffer
    ) -> DepthImage | None:
        """Return the depth of an image; None, after noting why, when there is none."""
        settings = self._settings()
        spatial = settings.spatial
        if message is None:
            text = (
                f"no depth image within {spatial.sync_slop_s:g} s (spatial.sync_slop_s) of the "
                f"image's stamp came in {spatial.tf_timeout_s:g} s"
            )
            self._note(Problem("no_depth", text))
            return None
        try:
            depth = to_depth_image(
                message,
                near_m=spatial.min_range_m,
                far_m=spatial.max_range_m,
                max_megapixels=settings.image.max_input_megapixels,
            )
        except ConversionError as error:
            self._note(Problem(error.reason, str(error)))
            return None
        mine, other = self.lens, self.depth_lens
        problem = registration_problem(
            ImageGeometry(tracks.frame_id, tracks.wh, None if mine is None else mine.intrinsics),
            ImageGeometry(depth.frame_id, depth.wh, None if other is None else other.intrinsics),
            _apart_m(transforms, tracks.frame_id, depth.frame_id, tracks.stamp_ns),
        )
        if problem:
            self._note(Problem("unregistered", problem))
            return None
        return replace(depth, frame_id=tracks.frame_id)


def _apart_m(transforms: TransformBuffer, one: str, two: str, stamp_ns: int) -> float | None:
    """Return the distance between the origins of two frames; None when it is not known."""
    if one == two:
        return 0.0
    try:
        between = transforms.lookup(one, two, stamp_ns)
    except TransformError:
        return None
    return float(np.linalg.norm(between.translation_m))
