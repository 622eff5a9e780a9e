# SPDX-License-Identifier: Apache-2.0
"""Positions of tracks from the depth and the transforms of a bag, by the node's place finder.

Its clock is the time of the bag, and its thread is the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import TransformBuffer
from lfmvl_ros.core.timeline import NS_PER_S, Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.sensors.lens import Lens
from lfmvl_ros.ros.sensors.place_data import PlaceData, Problem
from lfmvl_ros.ros.sensors.place_finder import PlaceFinder, reports_something
from lfmvl_ros.ros.sensors.place_messages import to_edge


class BagPlaces:
    """Finds places for the tracks of one camera.

    Args:
        settings: of the pipeline; ``spatial.source`` is not ``none``.
        now_ns: returns the time of the bag.
        publish: called with the places of an image and its tracks, as the node publishes them.
        warn: called with a sentence, once for each reason.
    """

    def __init__(
        self,
        settings: PerceptionSettings,
        now_ns: Callable[[], int],
        publish: Callable[[Places, Tracks], None],
        warn: Callable[[str], None],
    ) -> None:
        self._publish, self._warn = publish, warn
        self._transforms = TransformBuffer()
        self._data = PlaceData(lambda: settings, self._note)
        self._finder = PlaceFinder(
            lambda: settings,
            self._data,
            lambda: self._transforms,
            self._note,
            self._found,
            clock=lambda: now_ns() / NS_PER_S,
        )
        self.missing: Counter[str] = Counter()
        self.placed = 0

    # -- messages ----------------------------------------------------------------------------------

    def lens(self, lens: Lens | None) -> None:
        """Take the calibration of the camera."""
        self._data.lens = lens

    def depth_lens(self, lens: Lens | None) -> None:
        """Take the calibration of the depth camera."""
        self._data.depth_lens = lens

    def transforms(self, message: Any, *, static: bool) -> None:
        """Take a ``tf2_msgs/TFMessage``."""
        for item in message.transforms:
            try:
                self._transforms.add(*to_edge(item), static=static)
            except ValueError as error:  # ConversionError is one
                self._note(Problem("transforms", f"a transform is dropped: {error}"))
        self._finder.room.notice()

    def depth(self, message: Any) -> None:
        """Take a depth image, raw or of ``compressedDepth``."""
        self._data.depth(message)
        self._finder.room.notice()

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the tracks at an image."""
        if verdict is Verdict.RESTARTED:
            self._finder.restart()
            self._transforms.clear()
        self._finder.tracks(tracks)

    def advance(self) -> None:
        """Handle the images that are ready, or whose time is over, at the time of the bag."""
        self._finder.room.look()

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; of the newest image, if it is recent."""
        return self._finder.documents(stamp_ns)

    # -- from the finder ---------------------------------------------------------------------------

    def _found(self, places: Places, tracks: Tracks, _camera: RigidTransform | None) -> None:
        self.placed += len(places.by_id)
        if reports_something(places, tracks):
            self._publish(places, tracks)

    def _note(self, problem: Problem) -> None:
        if not self.missing[problem.reason]:
            self._warn(f"no positions ({problem.reason}): {problem.text}")
        self.missing[problem.reason] += 1
