# SPDX-License-Identifier: Apache-2.0
"""One camera's places: depth, lens and transforms in; 3D detections out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lfmvl_ros.core.config import PerceptionSettings, SpatialSettings
from lfmvl_ros.core.config_spatial import parse_sizes
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer, PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import NS_PER_S, ExtrapolationError, TransformError
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Intrinsics, Tracks
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.conversions import stamp_ns
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.sensing import Lens, are_rectified, to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.spatial.messages import to_depth_image
from lfmvl_ros.ros.spatial.pairing import Match, StampedBuffer, View, registration_problem
from lfmvl_ros.ros.spatial.place_health import PlaceCounters, PlaceMonitor, Problem
from lfmvl_ros.ros.spatial.place_outputs import PlaceOutputs
from lfmvl_ros.ros.spatial.transform_input import TransformInput
from lfmvl_ros.ros.spatial.waiting import Readiness, WaitingRoom
from lfmvl_ros.ros.streams import StreamReader

# Depth images are kept for the longest wait and this: they may come before their image.
_EARLY_S = 1.0


@dataclass(frozen=True)
class _Inputs:
    """What has come for one image."""

    depth: Any = None  # the message
    camera: RigidTransform | None = None
    problem: Problem | None = None  # with the transform


class PlaceChannel:
    """Advertises when made, until :meth:`close`; subscribes from :meth:`start` to :meth:`stop`.

    Args:
        node: which has the topics.
        streams: reads them.
        transforms: of the node.
        gate: results are published through it.
        camera: name of the camera; "" when it is the only one.
        settings: asked for the settings in force.
        on_warning: called with a sentence, once for each reason.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        transforms: TransformInput,
        gate: Gate,
        camera: str,
        settings: Callable[[], PerceptionSettings],
        on_warning: Callable[[str], None],
    ) -> None:
        self._node, self._streams, self._transforms = node, streams, transforms
        self._gate, self._camera, self._settings = gate, camera, settings
        self._on_warning = on_warning
        self.prefix = f"{camera}/" if camera else ""
        self._outputs = PlaceOutputs(node, self.prefix)
        self._uses_depth = settings().spatial.source == PlaceSource.DEPTH.value
        self._subscriptions: list[Subscription] = []
        self._reset(rectified=False, topic="")

    def _reset(self, *, rectified: bool, topic: str) -> None:
        self.newest: Places | None = None
        self._rectified = rectified
        self._lens: Lens | None = None
        self._lens_problem = "no camera_info has come yet"
        self._depth_lens: Lens | None = None
        self._depth: StampedBuffer[Any] = StampedBuffer()
        self._room: WaitingRoom[_Inputs] = WaitingRoom(self._prepare, self._handle)
        self._counters = PlaceCounters()
        self._monitor = PlaceMonitor(self._camera, topic)
        self._images = 0
        self._frame_id = ""
        self._made: tuple[SpatialSettings, Placer] | None = None
        self._warned: set[str] = set()

    # -- life cycle --------------------------------------------------------------------------------

    def start(self, images: str) -> None:
        """Subscribe.

        Args:
            images: resolved topic of the camera's images.
        """
        compressed = self._settings().spatial.compressed_depth
        topic = self._depth_topic(compressed) if self._uses_depth else ""
        resolved = self._node.resolve_topic_name(topic) if topic else ""
        self._reset(rectified=are_rectified(images), topic=resolved)
        self._room.start()
        self._transforms.open(self._room.notice)
        if not self._uses_depth:
            return
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
                f"{self.prefix}depth/camera_info",
                self._on_depth_info,
                qos.own(qos.NEWEST),
                qos_overriding_options=qos.overridable(),
            ),
        ]

    def _depth_topic(self, compressed: bool) -> str:
        """Return the depth topic: below the raw one's, also where that is remapped."""
        raw = f"{self.prefix}depth/image"
        return self._node.resolve_topic_name(raw) + "/compressedDepth" if compressed else raw

    def stop(self) -> None:
        """Let go of the topics; images that wait are forgotten."""
        while self._subscriptions:
            self._streams.unsubscribe(self._subscriptions.pop())
        self._transforms.close(self._room.notice)
        self._room.stop()

    def close(self) -> None:
        """Withdraw the results."""
        self._outputs.close()

    # -- messages ----------------------------------------------------------------------------------

    def camera_info(self, message: CameraInfo) -> None:
        """Take the camera's calibration."""
        try:
            self._lens, self._lens_problem = to_lens(message, rectified=self._rectified), ""
        except ConversionError as error:
            self._lens, self._lens_problem = None, str(error)

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the tracks at an image; returns at once.

        Args:
            tracks: with ``frame_id`` and ``wh`` of the image; tentative ones are left out.
            verdict: whether time has started again with the image.
        """
        if verdict is Verdict.RESTARTED:
            self._room.clear()
            self._depth.clear()
            self._transforms.restart()
        self._images += 1
        self._room.put(confirmed(tracks), self._settings().spatial.tf_timeout_s)

    def _on_depth(self, message: Image | CompressedImage, _info: dict[str, int]) -> None:
        self._counters.add("depth_received")
        try:
            taken_ns = stamp_ns(message.header.stamp)
        except ConversionError as error:
            self._note(Problem("corrupt", f"depth image dropped: {error}"))
            return
        keep_s = self._settings().spatial.tf_timeout_s + _EARLY_S
        self._depth.add(taken_ns, message, round(keep_s * NS_PER_S))
        self._room.notice()

    def _on_depth_info(self, message: CameraInfo, _info: dict[str, int]) -> None:
        try:
            self._depth_lens = to_lens(message, rectified=self._rectified)
        except ConversionError:
            self._depth_lens = None  # as if it had not come: the frames decide

    # -- in the thread of places -------------------------------------------------------------------

    def _prepare(self, tracks: Tracks) -> Readiness[_Inputs]:
        if not len(tracks):
            return Readiness(_Inputs(), ready=True, complete=True)
        settings = self._settings().spatial
        depth: Match[Any] = Match(None, final=True)
        if self._uses_depth:
            depth = self._depth.nearest(tracks.stamp_ns, round(settings.sync_slop_s * NS_PER_S))
        camera, problem, late = self._camera_pose(settings, tracks)
        return Readiness(
            _Inputs(depth.item, camera, problem),
            ready=depth.final and not late,
            complete=camera is not None and (depth.item is not None or not self._uses_depth),
            blocks=late,
        )

    def _camera_pose(
        self, settings: SpatialSettings, tracks: Tracks
    ) -> tuple[RigidTransform | None, Problem | None, bool]:
        """Return the camera's pose at the stamp, or why there is none, and if it may still come."""
        target, source = settings.target_frame, tracks.frame_id
        if not target:
            if settings.source != PlaceSource.FLOOR.value:
                return RigidTransform.identity(), None, False
            text = "spatial.source floor needs spatial.target_frame, a frame whose z = 0 is floor"
            return None, Problem("no_transform", text), False
        if not source:
            text = "the image names no frame_id; set it in the camera's driver"
            return None, Problem("no_transform", text), False
        try:
            return self._transforms.buffer.lookup(target, source, tracks.stamp_ns), None, False
        except ExtrapolationError as error:
            return None, Problem("no_transform", str(error)), error.late
        except TransformError as error:
            return None, Problem("no_transform", str(error)), True

    def _handle(self, tracks: Tracks, inputs: _Inputs) -> None:
        settings = self._settings()
        self._frame_id = settings.spatial.target_frame or tracks.frame_id
        lens, depth = None, None
        if len(tracks):
            lens = self._lens_for(tracks)
            if inputs.problem is not None:
                self._note(inputs.problem)
            elif lens is not None and self._uses_depth:
                depth = self._depth_for(tracks, inputs.depth, settings)
        places = self._placer(settings.spatial).place(tracks, depth, lens, inputs.camera)
        places = replace(places, frame_id=self._frame_id)
        self.newest = places
        self._counters.places(list(places.by_id.values()), list(places.refused.values()))
        publish_tf = settings.spatial.publish_tf
        self._gate.call(self._publish, places, tracks, publish_tf)

    def _publish(self, places: Any, tracks: Tracks, publish_tf: bool) -> None:
        if self._outputs.publish(places, tracks, publish_tf=publish_tf):
            self._counters.add("published")

    def _placer(self, settings: SpatialSettings) -> Placer:
        if self._made is None or self._made[0] != settings:
            options = PlacerOptions(
                source=PlaceSource(settings.source),
                frame_id=settings.target_frame,
                sizes_m=parse_sizes(settings.sizes),
                max_sigma_m=settings.max_sigma_m,
            )
            self._made = (settings, Placer(options))
        return self._made[1]

    def _lens_for(self, tracks: Tracks) -> Intrinsics | None:
        lens, text = self._lens, self._lens_problem
        if lens is not None and all(lens.wh) and lens.wh != tracks.wh:
            (width, height), (across, down) = lens.wh, tracks.wh
            text = f"camera_info is for {width}x{height}, the images have {across}x{down}"
            lens = None
        if lens is None:
            self._note(Problem("no_intrinsics", text))
            return None
        return lens.intrinsics

    def _depth_for(
        self, tracks: Tracks, message: Any, settings: PerceptionSettings
    ) -> DepthImage | None:
        """Return the depth of an image; None, after counting the reason, where there is none."""
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
            self._apart_m(tracks.frame_id, depth.frame_id, tracks.stamp_ns),
        )
        if problem:
            self._note(Problem("unregistered", problem))
            return None
        return replace(depth, frame_id=tracks.frame_id)

    def _apart_m(self, one: str, two: str, stamp_ns: int) -> float | None:
        """Return the distance between the origins of two frames; None when it is not known."""
        try:
            between = self._transforms.buffer.lookup(one, two, stamp_ns)
        except TransformError:
            return None
        return float(np.linalg.norm(between.translation_m))

    def _note(self, problem: Problem) -> None:
        self._counters.problem(problem)
        if problem.reason not in self._warned:
            self._warned.add(problem.reason)
            self._on_warning(f"no positions ({problem.reason}): {problem.text}")

    # -- diagnostics -------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return how places are doing."""
        return self._monitor.report(
            self._counters,
            images=self._images,
            superseded=self._room.superseded,
            transforms=self._transforms.received,
            transforms_dropped=self._transforms.dropped,
            frame_id=self._frame_id,
        )


def confirmed(tracks: Tracks) -> Tracks:
    """Return the tracks without tentative ones."""
    rows = tracks.established
    if len(rows) == len(tracks):
        return tracks
    chosen = np.asarray(rows, dtype=np.intp)
    return replace(
        tracks,
        ids=tracks.ids[chosen],
        labels=tuple(tracks.labels[i] for i in rows),
        scores=tracks.scores[chosen],
        xyxy_px=tracks.xyxy_px[chosen],
        velocity_px_s=tracks.velocity_px_s[chosen],
        covariance=tracks.covariance[chosen],
        state=tuple(tracks.state[i] for i in rows),
        age_s=tracks.age_s[chosen],
    )
