# SPDX-License-Identifier: Apache-2.0
"""One camera's places: depth, lens and transforms in; 3D detections out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import PerceptionSettings, SpatialSettings
from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.select import Selection, Selector
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.sensors.lens import are_rectified
from lfmvl_ros.ros.sensors.place_data import Problem
from lfmvl_ros.ros.sensors.place_finder import PlaceFinder, reports_something
from lfmvl_ros.ros.spatial.place_health import PlaceCounters, PlaceMonitor
from lfmvl_ros.ros.spatial.place_inputs import PlaceInputs
from lfmvl_ros.ros.spatial.place_outputs import PlaceOutputs
from lfmvl_ros.ros.spatial.transform_input import TransformInput
from lfmvl_ros.ros.streams import StreamReader


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
        self.prefix = topic_prefix(camera)
        self._outputs = PlaceOutputs(node, self.prefix)
        self._uses_depth = settings().spatial.source == PlaceSource.DEPTH.value
        self._inputs = PlaceInputs(
            node, streams, self.prefix, settings, self._depth_came, self._note
        )
        self._reset(topic="")

    def _reset(self, *, topic: str) -> None:
        self._finder = PlaceFinder(
            self._settings,
            self._inputs.data,
            lambda: self._transforms.buffer,
            self._note,
            self._found,
        )
        self._counters = PlaceCounters()
        self._monitor = PlaceMonitor(self._camera, topic)
        self._images = 0
        self._frame_id = ""
        self._selector = Selector()
        self._selected: int | None = None
        self._warned: set[str] = set()

    # -- life cycle --------------------------------------------------------------------------------

    def start(self, images: str) -> None:
        """Subscribe.

        Args:
            images: resolved topic of the camera's images.
        """
        topic = self._inputs.open(rectified=are_rectified(images), depth=self._uses_depth)
        self._reset(topic=topic)
        self._finder.room.start()
        self._transforms.open(self._finder.room.notice)

    def stop(self) -> None:
        """Unsubscribe; images that wait are dropped."""
        self._inputs.close()
        self._transforms.close(self._finder.room.notice)
        self._finder.room.stop()

    def close(self) -> None:
        """Withdraw the results."""
        self._outputs.close()

    # -- messages ----------------------------------------------------------------------------------

    def camera_info(self, message: CameraInfo) -> None:
        """Take the camera's calibration."""
        self._inputs.data.camera_info(message)

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the tracks at an image; returns at once.

        Args:
            tracks: with ``frame_id`` and ``wh`` of the image; tentative ones are left out.
            verdict: whether time has started again with the image.
        """
        if verdict is Verdict.RESTARTED:
            self._finder.restart()
            self._transforms.restart()
        self._images += 1
        self._finder.tracks(tracks)

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; of the newest image, if it is recent."""
        return self._finder.documents(stamp_ns)

    def _depth_came(self) -> None:
        self._counters.add("depth_received")
        self._finder.room.notice()

    # -- in the thread of places -------------------------------------------------------------------

    def _found(self, places: Places, tracks: Tracks, camera: RigidTransform | None) -> None:
        settings = self._settings().spatial
        self._frame_id = places.frame_id
        self._counters.places(list(places.by_id.values()), list(places.refused.values()))
        self._selected = self._select(settings, places, tracks, camera)
        if reports_something(places, tracks):
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

    def _note(self, problem: Problem) -> None:
        self._counters.problem(problem)
        if problem.reason not in self._warned:
            self._warned.add(problem.reason)
            self._on_warning(f"no positions ({problem.reason}): {problem.text}")

    # -- diagnostics -------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return the health of places."""
        return self._monitor.report(
            self._counters,
            images=self._images,
            superseded=self._finder.room.superseded,
            transforms=self._transforms.received,
            transforms_dropped=self._transforms.dropped,
            frame_id=self._frame_id,
            selected=self._selected,
        )
