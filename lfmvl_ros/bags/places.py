# SPDX-License-Identifier: Apache-2.0
"""Positions of tracks from the depth and the transforms of a bag: as ``ros/spatial`` makes them.

The node's waiting room, pairing and placer run; its clock is the time of the bag, and its thread is
the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lfmvl_ros.bags.images import stamp_ns_of
from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.config_spatial import parse_sizes
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer, PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import (
    NS_PER_S,
    ExtrapolationError,
    TransformBuffer,
    TransformError,
)
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.sensors.depth_decoding import decode_compressed_depth, decode_depth
from lfmvl_ros.ros.sensors.lens import Lens
from lfmvl_ros.ros.sensors.pairing import Match, StampedBuffer, View, registration_problem
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.waiting import Readiness, WaitingRoom

# As in ros/spatial/place_inputs.py and place_channel.py, which import ROS.
_EARLY_S = 1.0
_EARLY_SHARE = 0.1
_RECENT_S = 1.0


@dataclass(frozen=True)
class _Inputs:
    depth: Any = None
    camera: RigidTransform | None = None
    problem: str = ""


class BagPlaces:
    """Finds places for the tracks of one camera.

    Args:
        settings: of the pipeline; ``spatial.source`` is not ``none``.
        now_ns: returns the time of the bag.
        publish: called with the places of an image and its tracks.
        warn: called with a sentence, once for each reason.
    """

    def __init__(
        self,
        settings: PerceptionSettings,
        now_ns: Callable[[], int],
        publish: Callable[[Places, Tracks], None],
        warn: Callable[[str], None],
    ) -> None:
        self._settings, self._publish, self._warn = settings.spatial, publish, warn
        self._max_megapixels = settings.image.max_input_megapixels
        self._uses_depth = settings.spatial.source == PlaceSource.DEPTH.value
        self._room: WaitingRoom[_Inputs] = WaitingRoom(
            self._prepare, self._handle, self._is_due, clock=lambda: now_ns() / NS_PER_S
        )
        self._transforms = TransformBuffer()
        self._depth: StampedBuffer[Any] = StampedBuffer()
        self.lens: Lens | None = None
        self.depth_lens: Lens | None = None
        self._placer = Placer(PlacerOptions(
            source=PlaceSource(settings.spatial.source),
            frame_id=settings.spatial.target_frame,
            sizes_m=parse_sizes(settings.spatial.sizes),
            max_sigma_m=settings.spatial.max_sigma_m,
        ))  # fmt: skip
        self._due_ns = 0
        self._newest: tuple[int, Mapping[int, Mapping[str, Any]]] = (0, {})
        self.missing: Counter[str] = Counter()
        self.images = self.placed = 0

    # -- messages ----------------------------------------------------------------------------------

    def transforms(self, message: Any, *, static: bool) -> None:
        """Take a ``tf2_msgs/TFMessage``."""
        for item in message.transforms:
            move, turn = item.transform.translation, item.transform.rotation
            try:
                self._transforms.add(
                    item.header.frame_id, item.child_frame_id, stamp_ns_of(item.header),
                    (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w), static=static,
                )  # fmt: skip
            except ValueError as error:  # ConversionError is one
                self._note("transforms", f"a transform is dropped: {error}")
        self._room.notice()

    def depth(self, message: Any) -> None:
        """Take a depth image, raw or of ``compressedDepth``."""
        try:
            keep_ns = round((self._settings.tf_timeout_s + _EARLY_S) * NS_PER_S)
            self._depth.add(stamp_ns_of(message.header), message, keep_ns)
        except ConversionError as error:
            self._note("corrupt", f"a depth image is dropped: {error}")
        self._room.notice()

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the confirmed tracks at an image."""
        if verdict is Verdict.RESTARTED:
            self._room.clear()
            self._depth.clear()
            self._transforms.clear()
            self._due_ns, self._newest = 0, (0, {})
        self.images += 1
        if self._is_due(tracks):
            self._room.put(tracks, self._settings.tf_timeout_s)

    def advance(self) -> None:
        """Handle the images that are ready, or whose time is over, at the time of the bag."""
        self._room.look()

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; of the newest image, if it is recent."""
        taken_ns, documents = self._newest
        return documents if abs(stamp_ns - taken_ns) <= _RECENT_S * NS_PER_S else {}

    # -- for one image -----------------------------------------------------------------------------

    def _is_due(self, tracks: Tracks) -> bool:
        period_ns = NS_PER_S / self._settings.max_rate_hz
        return tracks.stamp_ns >= self._due_ns - _EARLY_SHARE * period_ns

    def _prepare(self, tracks: Tracks) -> Readiness[_Inputs]:
        if not len(tracks):
            return Readiness(_Inputs(), ready=True, complete=True)
        depth: Match[Any] = Match(None, final=True)
        if self._uses_depth:
            slop_ns = round(self._settings.sync_slop_s * NS_PER_S)
            depth = self._depth.nearest(tracks.stamp_ns, slop_ns)
        camera, problem, late = self._camera_pose(tracks)
        return Readiness(
            _Inputs(depth.item, camera, problem),
            ready=depth.final and not late,
            complete=camera is not None and (depth.item is not None or not self._uses_depth),
            blocks=late,
        )

    def _camera_pose(self, tracks: Tracks) -> tuple[RigidTransform | None, str, bool]:
        target, source = self._settings.target_frame, tracks.frame_id
        if not target:
            if self._uses_depth:
                return RigidTransform.identity(), "", False
            return None, "spatial.source floor needs spatial.target_frame", False
        if not source:
            return None, "the image names no frame_id", False
        try:
            return self._transforms.lookup(target, source, tracks.stamp_ns), "", False
        except ExtrapolationError as error:
            return None, str(error), error.late
        except TransformError as error:
            return None, str(error), True

    def _handle(self, tracks: Tracks, inputs: _Inputs) -> None:
        period_ns = round(NS_PER_S / self._settings.max_rate_hz)
        self._due_ns = max(self._due_ns, tracks.stamp_ns - period_ns) + period_ns
        lens = self.lens
        if lens is not None and lens.unfit_for(tracks.wh):
            lens = None
        depth = None
        if len(tracks):
            if lens is None:
                self._note("no_intrinsics", "no camera_info that fits the images has come")
            elif inputs.problem:
                self._note("no_transform", inputs.problem)
            elif self._uses_depth:
                depth = self._depth_image(tracks, inputs.depth)
        intrinsics = None if lens is None else lens.intrinsics
        places = self._placer.place(tracks, depth, intrinsics, inputs.camera)
        places = replace(places, frame_id=self._settings.target_frame or tracks.frame_id)
        self.placed += len(places.by_id)
        self._newest = (places.stamp_ns, places.documents())
        self._publish(places, tracks)

    def _depth_image(self, tracks: Tracks, message: Any) -> DepthImage | None:
        if message is None:
            slop_s = self._settings.sync_slop_s
            self._note("no_depth", f"no depth image within {slop_s:g} s of an image's stamp came")
            return None
        try:
            depth = depth_image(
                message, near_m=self._settings.min_range_m, far_m=self._settings.max_range_m,
                max_megapixels=self._max_megapixels,
            )  # fmt: skip
        except ConversionError as error:
            self._note(error.reason, str(error))
            return None
        mine, other = self.lens, self.depth_lens
        problem = registration_problem(
            View(tracks.frame_id, tracks.wh, None if mine is None else mine.intrinsics),
            View(depth.frame_id, depth.wh, None if other is None else other.intrinsics),
            self._apart_m(tracks.frame_id, depth.frame_id, tracks.stamp_ns),
        )
        if problem:
            self._note("unregistered", problem)
            return None
        return replace(depth, frame_id=tracks.frame_id)

    def _apart_m(self, one: str, two: str, stamp_ns: int) -> float | None:
        if one == two:
            return 0.0
        try:
            between: FloatArray = self._transforms.lookup(one, two, stamp_ns).translation_m
        except TransformError:
            return None
        return float(np.linalg.norm(between))

    def _note(self, reason: str, text: str) -> None:
        if not self.missing[reason]:
            self._warn(f"no positions ({reason}): {text}")
        self.missing[reason] += 1


def depth_image(message: Any, *, near_m: float, far_m: float, max_megapixels: float) -> DepthImage:
    """Return the depth image of an ``Image`` or a ``CompressedImage`` of ``compressedDepth``.

    Raises:
        ConversionError: see :mod:`lfmvl_ros.ros.sensors.depth_decoding`.
    """
    if hasattr(message, "encoding"):
        depth = decode_depth(
            message.encoding, message.data, (int(message.width), int(message.height)),
            int(message.step), big_endian=bool(message.is_bigendian),
        )  # fmt: skip
    else:
        depth = decode_compressed_depth(message.format, message.data, max_megapixels=max_megapixels)
    header = message.header
    return DepthImage.from_m(
        depth, stamp_ns_of(header), header.frame_id, near_m=near_m, far_m=far_m
    )
