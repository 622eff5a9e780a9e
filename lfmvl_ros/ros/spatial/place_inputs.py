# SPDX-License-Identifier: Apache-2.0
"""What one camera's places are made from: depth images and lenses, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.transforms import NS_PER_S, TransformBuffer, TransformError
from lfmvl_ros.core.tracking import Intrinsics, Tracks
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.conversions import stamp_ns
from lfmvl_ros.ros.sensors.lens import Lens, to_lens
from lfmvl_ros.ros.sensors.pairing import Match, StampedBuffer, View, registration_problem
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.spatial.messages import to_depth_image
from lfmvl_ros.ros.spatial.place_health import Problem
from lfmvl_ros.ros.streams import StreamReader

# Depth images are kept for the longest wait and this: they may come before their image.
_EARLY_S = 1.0


class PlaceInputs:
    """Depth and calibration of one camera, from :meth:`open` to :meth:`close`.

    Args:
        node: which has the topics.
        streams: reads them.
        prefix: of the camera's topics.
        settings: asked for the settings in force.
        came: called when a depth image has come.
        note: called with what is wrong.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        prefix: str,
        settings: Callable[[], PerceptionSettings],
        came: Callable[[], None],
        note: Callable[[Problem], None],
    ) -> None:
        self._node, self._streams, self._prefix = node, streams, prefix
        self._settings, self._came, self._note = settings, came, note
        self._subscriptions: list[Subscription] = []
        self._forget(rectified=False)

    def _forget(self, *, rectified: bool) -> None:
        self._rectified = rectified
        self._lens: Lens | None = None
        self._lens_problem = "no camera_info has come yet"
        self._depth_lens: Lens | None = None
        self._depth: StampedBuffer[Any] = StampedBuffer()

    def open(self, *, rectified: bool, depth: bool) -> str:
        """Start from nothing.

        Args:
            rectified: the camera's images are.
            depth: subscribe to depth images and their calibration.

        Returns:
            The resolved topic of the depth images; "" without.
        """
        self._forget(rectified=rectified)
        if not depth:
            return ""
        compressed = self._settings().spatial.compressed_depth
        topic = self._depth_topic(compressed)
        self._subscriptions = [
            self._streams.subscribe(
                CompressedImage if compressed else Image,
                topic,
                self._on_depth,
                qos.own(qos.SENSOR),
                qos_overriding_options=qos.overridable(),
            ),
            self._streams.subscribe(
                CameraInfo,
                f"{self._prefix}depth/camera_info",
                self._on_depth_info,
                qos.own(qos.NEWEST),
                qos_overriding_options=qos.overridable(),
            ),
        ]
        return str(self._node.resolve_topic_name(topic))

    def _depth_topic(self, compressed: bool) -> str:
        """Return the depth topic: below the raw one's, also where that is remapped."""
        raw = f"{self._prefix}depth/image"
        return self._node.resolve_topic_name(raw) + "/compressedDepth" if compressed else raw

    def close(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._streams.unsubscribe(self._subscriptions.pop())

    def restart(self) -> None:
        """Forget depth images: time has started again."""
        self._depth.clear()

    # -- messages ----------------------------------------------------------------------------------

    def camera_info(self, message: CameraInfo) -> None:
        """Take the camera's calibration."""
        try:
            self._lens, self._lens_problem = to_lens(message, rectified=self._rectified), ""
        except ConversionError as error:
            self._lens, self._lens_problem = None, str(error)

    def _on_depth(self, message: Image | CompressedImage, _info: dict[str, int]) -> None:
        try:
            taken_ns = stamp_ns(message.header.stamp)
        except ConversionError as error:
            self._note(Problem("corrupt", f"depth image dropped: {error}"))
        else:
            keep_s = self._settings().spatial.tf_timeout_s + _EARLY_S
            self._depth.add(taken_ns, message, round(keep_s * NS_PER_S))
        self._came()

    def _on_depth_info(self, message: CameraInfo, _info: dict[str, int]) -> None:
        try:
            self._depth_lens = to_lens(message, rectified=self._rectified)
        except ConversionError:
            self._depth_lens = None  # as if it had not come: the frames decide

    # -- for one image -----------------------------------------------------------------------------

    def nearest(self, stamp_ns: int, slop_s: float) -> Match[Any]:
        """Return the depth message that belongs to a stamp."""
        return self._depth.nearest(stamp_ns, round(slop_s * NS_PER_S))

    def lens_for(self, tracks: Tracks) -> Intrinsics | None:
        """Return the lens of the tracks' image; None, after noting why, when there is none."""
        lens, text = self._lens, self._lens_problem
        if lens is not None and all(lens.wh) and lens.wh != tracks.wh:
            (width, height), (across, down) = lens.wh, tracks.wh
            text = f"camera_info is for {width}x{height}, the images have {across}x{down}"
            lens = None
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
        mine, other = self._lens, self._depth_lens
        problem = registration_problem(
            View(tracks.frame_id, tracks.wh, None if mine is None else mine.intrinsics),
            View(depth.frame_id, depth.wh, None if other is None else other.intrinsics),
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
