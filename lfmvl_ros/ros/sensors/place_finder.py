# SPDX-License-Identifier: Apache-2.0
"""Tracks of images in, places out, as soon as depth and transform have arrived. Imports no ROS.

The node runs it in a thread of its own, ``lfmvl replay`` in the time of the bag.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lfmvl_ros.core.config import PerceptionSettings, SpatialSettings
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import (
    ExtrapolationError,
    TransformBuffer,
    TransformError,
)
from lfmvl_ros.core.timeline import NS_PER_S
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.tracking.tracks import confirmed
from lfmvl_ros.ros.sensors.pairing import StampMatch
from lfmvl_ros.ros.sensors.place_data import PlaceData, Problem
from lfmvl_ros.ros.sensors.waiting import Readiness, WaitingRoom

# A position older than this is not reported for a track.
_RECENT_S = 1.0
# Cameras keep time no better: an image may come this share of the period too early.
_EARLY_SHARE = 0.1

OnPlaces = Callable[[Places, Tracks, "RigidTransform | None"], None]


@dataclass(frozen=True)
class _Inputs:
    """What has come for one image."""

    depth: Any = None  # the message
    camera: RigidTransform | None = None
    problem: Problem | None = None  # with the transform


class PlaceFinder:
    """Finds places for the tracks of one camera.

    Args:
        settings: returns the settings in force.
        data: depth and lenses of the camera.
        transforms: returns the buffer of transforms in use.
        note: called with what an image lacks.
        on_places: called with the places of an image, its tracks and the camera's pose (None where
            it is not known), whether there are any or not.
        clock: s; of the bag, for :meth:`WaitingRoom.look`.
    """

    def __init__(
        self,
        settings: Callable[[], PerceptionSettings],
        data: PlaceData,
        transforms: Callable[[], TransformBuffer],
        note: Callable[[Problem], None],
        on_places: OnPlaces,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._data, self._transforms = settings, data, transforms
        self._note, self._on_places = note, on_places
        self._uses_depth = settings().spatial.source == PlaceSource.DEPTH.value
        self.room: WaitingRoom[_Inputs] = WaitingRoom(
            self._prepare, self._handle, self._is_due, clock
        )
        self._due_ns = 0
        self._made: tuple[PlacerOptions, Placer] | None = None
        self._lock = threading.Lock()
        self._newest: tuple[int, Mapping[int, Mapping[str, Any]]] = (0, {})

    def restart(self) -> None:
        """Drop what waits: time has started again."""
        self.room.clear()
        self._data.restart()
        self._due_ns = 0
        with self._lock:
            self._newest = (0, {})

    def tracks(self, tracks: Tracks) -> None:
        """Take the tracks at an image, if it is due; tentative ones are left out. Returns at once.

        Args:
            tracks: with ``frame_id`` and ``wh`` of the image.
        """
        if self._is_due(tracks):
            self.room.put(confirmed(tracks), self._settings().spatial.tf_timeout_s)

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; of the newest image, if it is recent."""
        with self._lock:
            taken_ns, documents = self._newest
        return documents if abs(stamp_ns - taken_ns) <= _RECENT_S * NS_PER_S else {}

    # -- for one image -----------------------------------------------------------------------------

    def _is_due(self, tracks: Tracks) -> bool:
        """Return whether positions are to be found in this image, by ``spatial.max_rate_hz``."""
        period_ns = NS_PER_S / self._settings().spatial.max_rate_hz
        return tracks.stamp_ns >= self._due_ns - _EARLY_SHARE * period_ns

    def _prepare(self, tracks: Tracks) -> Readiness[_Inputs]:
        if not len(tracks):
            return Readiness(_Inputs(), ready=True, complete=True)
        settings = self._settings().spatial
        depth: StampMatch[Any] = StampMatch(None, final=True)
        if self._uses_depth:
            depth = self._data.nearest(tracks.stamp_ns, settings.sync_slop_s)
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
            return self._transforms().lookup(target, source, tracks.stamp_ns), None, False
        except ExtrapolationError as error:
            return None, Problem("no_transform", str(error)), error.late
        except TransformError as error:
            return None, Problem("no_transform", str(error)), True

    def _handle(self, tracks: Tracks, inputs: _Inputs) -> None:
        settings = self._settings().spatial
        period_ns = round(NS_PER_S / settings.max_rate_hz)
        self._due_ns = max(self._due_ns, tracks.stamp_ns - period_ns) + period_ns
        lens, depth = None, None
        if len(tracks):
            lens = self._data.lens_for(tracks)
            if inputs.problem is not None:
                self._note(inputs.problem)
            elif lens is not None and self._uses_depth:
                depth = self._data.depth_for(tracks, inputs.depth, self._transforms())
        places = self._placer(settings).place(tracks, depth, lens, inputs.camera)
        places = replace(places, frame_id=settings.target_frame or tracks.frame_id)
        with self._lock:
            self._newest = (places.stamp_ns, places.documents())
        self._on_places(places, tracks, inputs.camera)

    def _placer(self, settings: SpatialSettings) -> Placer:
        options = PlacerOptions.of(settings)
        if self._made is None or self._made[0] != options:
            self._made = (options, Placer(options))
        return self._made[1]


def reports_something(places: Places, tracks: Tracks) -> bool:
    """Return whether places are published: an empty message says that there is no track."""
    return bool(places.by_id) or not len(tracks)
