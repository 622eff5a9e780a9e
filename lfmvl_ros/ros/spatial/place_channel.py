# SPDX-License-Identifier: Apache-2.0
"""One camera's places: depth, lens and transforms in; 3D detections out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from lfmvl_ros.core.config import PerceptionSettings, SpatialSettings
from lfmvl_ros.core.config_spatial import parse_sizes
from lfmvl_ros.core.spatial.placer import Placer, PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.select import Selection, Selector
from lfmvl_ros.core.spatial.transforms import NS_PER_S, ExtrapolationError, TransformError
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.tracking.tracks import confirmed
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.sensors.lens import are_rectified
from lfmvl_ros.ros.sensors.pairing import Match
from lfmvl_ros.ros.sensors.waiting import Readiness, WaitingRoom
from lfmvl_ros.ros.spatial.place_health import PlaceCounters, PlaceMonitor, Problem
from lfmvl_ros.ros.spatial.place_inputs import PlaceInputs
from lfmvl_ros.ros.spatial.place_outputs import PlaceOutputs
from lfmvl_ros.ros.spatial.transform_input import TransformInput
from lfmvl_ros.ros.streams import StreamReader

# A position older than this is not reported for a track.
_RECENT_S = 1.0
# Cameras keep time no better: an image may come this share of the period too early.
_EARLY_SHARE = 0.1


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
        on_places: called with what is published, in the thread of places.
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
        on_places: Callable[[Places], None],
    ) -> None:
        self._on_places = on_places
        self._transforms, self._gate, self._camera = transforms, gate, camera
        self._settings, self._on_warning = settings, on_warning
        self.prefix = f"{camera}/" if camera else ""
        self._outputs = PlaceOutputs(node, self.prefix)
        self._uses_depth = settings().spatial.source == PlaceSource.DEPTH.value
        self._inputs = PlaceInputs(
            node, streams, self.prefix, settings, self._depth_came, self._note
        )
        self._lock = threading.Lock()
        self._reset(topic="")

    def _reset(self, *, topic: str) -> None:
        self._room: WaitingRoom[_Inputs] = WaitingRoom(self._prepare, self._handle, self._is_due)
        self._counters = PlaceCounters()
        self._monitor = PlaceMonitor(self._camera, topic)
        self._images = 0
        self._due_ns = 0
        self._frame_id = ""
        self._selector = Selector()
        self._selected: int | None = None
        self._made: tuple[PlacerOptions, Placer] | None = None
        self._warned: set[str] = set()
        self._newest: tuple[int, dict[int, dict[str, Any]]] = (0, {})

    # -- life cycle --------------------------------------------------------------------------------

    def start(self, images: str) -> None:
        """Subscribe.

        Args:
            images: resolved topic of the camera's images.
        """
        topic = self._inputs.open(rectified=are_rectified(images), depth=self._uses_depth)
        self._reset(topic=topic)
        self._room.start()
        self._transforms.open(self._room.notice)

    def stop(self) -> None:
        """Unsubscribe; images that wait are dropped."""
        self._inputs.close()
        self._transforms.close(self._room.notice)
        self._room.stop()

    def close(self) -> None:
        """Withdraw the results."""
        self._outputs.close()

    # -- messages ----------------------------------------------------------------------------------

    def camera_info(self, message: CameraInfo) -> None:
        """Take the camera's calibration."""
        self._inputs.camera_info(message)

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the tracks at an image; returns at once.

        Args:
            tracks: with ``frame_id`` and ``wh`` of the image; tentative ones are left out.
            verdict: whether time has started again with the image.
        """
        if verdict is Verdict.RESTARTED:
            self._room.clear()
            self._inputs.restart()
            self._transforms.restart()
            self._due_ns = 0
            with self._lock:
                self._newest = (0, {})
        self._images += 1
        if self._is_due(tracks):
            self._room.put(confirmed(tracks), self._settings().spatial.tf_timeout_s)

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; of the newest image, if it is recent."""
        with self._lock:
            taken_ns, documents = self._newest
        return documents if abs(stamp_ns - taken_ns) <= _RECENT_S * NS_PER_S else {}

    def _is_due(self, tracks: Tracks) -> bool:
        """Tell whether positions are to be found in this image, by ``spatial.max_rate_hz``."""
        period_ns = NS_PER_S / self._settings().spatial.max_rate_hz
        return tracks.stamp_ns >= self._due_ns - _EARLY_SHARE * period_ns

    def _depth_came(self) -> None:
        self._counters.add("depth_received")
        self._room.notice()

    # -- in the thread of places -------------------------------------------------------------------

    def _prepare(self, tracks: Tracks) -> Readiness[_Inputs]:
        if not len(tracks):
            return Readiness(_Inputs(), ready=True, complete=True)
        settings = self._settings().spatial
        depth: Match[Any] = Match(None, final=True)
        if self._uses_depth:
            depth = self._inputs.nearest(tracks.stamp_ns, settings.sync_slop_s)
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
        settings = self._settings().spatial
        period_ns = round(NS_PER_S / settings.max_rate_hz)
        self._due_ns = max(self._due_ns, tracks.stamp_ns - period_ns) + period_ns
        self._frame_id = settings.target_frame or tracks.frame_id
        lens, depth = None, None
        if len(tracks):
            lens = self._inputs.lens_for(tracks)
            if inputs.problem is not None:
                self._note(inputs.problem)
            elif lens is not None and self._uses_depth:
                depth = self._inputs.depth_for(tracks, inputs.depth, self._transforms.buffer)
        places = self._placer(settings).place(tracks, depth, lens, inputs.camera)
        places = replace(places, frame_id=self._frame_id)
        self._counters.places(list(places.by_id.values()), list(places.refused.values()))
        with self._lock:
            self._newest = (places.stamp_ns, places.documents())
        self._selected = self._select(settings, places, tracks, inputs.camera)
        if places.by_id or not len(tracks):
            self._on_places(places)
            self._gate.call(self._publish, places, tracks, settings.publish_tf)

    def _select(
        self,
        settings: SpatialSettings,
        places: Places,
        tracks: Tracks,
        camera: RigidTransform | None,
    ) -> int | None:
        if camera is None:
            return None
        labels = dict(zip(tracks.ids.tolist(), tracks.labels, strict=True))
        wanted = Selection.parse(settings.select)
        return self._selector.choose(wanted, places.by_id, labels, camera.translation_m)

    def _publish(self, places: Places, tracks: Tracks, publish_tf: bool) -> None:
        self._outputs.publish(places, tracks, self._selected, publish_tf=publish_tf)
        self._counters.add("published")

    def _placer(self, settings: SpatialSettings) -> Placer:
        options = PlacerOptions(
            source=PlaceSource(settings.source),
            frame_id=settings.target_frame,
            sizes_m=parse_sizes(settings.sizes),
            max_sigma_m=settings.max_sigma_m,
        )
        if self._made is None or self._made[0] != options:
            self._made = (options, Placer(options))
        return self._made[1]

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
            selected=self._selected,
        )
