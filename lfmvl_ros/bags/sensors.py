# SPDX-License-Identifier: Apache-2.0
"""What a bag has beside images, and what of it the pipeline uses: gyroscope, depth, transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lfmvl_ros.bags.gyroscope import BagGyroscope
from lfmvl_ros.bags.places import BagPlaces
from lfmvl_ros.bags.reading import (
    TRANSFORMS,
    Bag,
    Recorded,
    camera_info_topic,
    depth_topic,
    imu_topic,
)
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.timeline import NS, Verdict
from lfmvl_ros.core.tracking import EgoMotion, Tracks
from lfmvl_ros.ros.sensors.lens import Lens, are_rectified, to_lens


@dataclass(frozen=True)
class SensorTopics:
    """Topics of the bag that were named; None for the only one of its type."""

    imu: str | None = None
    depth: str | None = None


class BagSensors:
    """The sensors of one camera, as far as the settings use them.

    Args:
        bag: that is read.
        settings: of the pipeline.
        topics: that were named.
        now_ns: returns the time of the bag.
        publish: called with the places of an image and its tracks.
        warn: called with a sentence, once for each problem.

    Raises:
        UserError: the settings ask for a sensor that the bag doesn't have.
    """

    def __init__(
        self,
        bag: Bag,
        settings: PerceptionSettings,
        topics: SensorTopics,
        now_ns: Callable[[], int],
        publish: Callable[[Places, Tracks], None],
        warn: Callable[[str], None],
    ) -> None:
        self._bag, self._now_ns, self._warn = bag, now_ns, warn
        self._handlers: dict[str, Callable[[Any], object]] = {}
        self._gyroscope: BagGyroscope | None = None
        self._places: BagPlaces | None = None
        self._lens: Lens | None = None
        self.undecodable = 0
        if settings.ego_motion.source == "imu":
            window_ns = int(settings.tracker.reorder_window_s / NS)
            self._gyroscope = BagGyroscope(settings.ego_motion, window_ns, warn)
            self._handlers[imu_topic(bag, topics.imu)] = self._on_imu
        if settings.spatial.source != "none":
            self._places = BagPlaces(settings, now_ns, publish, warn)
            if settings.spatial.source == "depth":
                self._add_depth(depth_topic(bag, topics.depth), self._places)
        for topic in bag.topics:
            if self.is_used and topic.kind == TRANSFORMS and topic.name in ("/tf", "/tf_static"):
                static = topic.name == "/tf_static"
                self._handlers[topic.name] = partial(self._on_transforms, static=static)

    def _add_depth(self, topic: str, places: BagPlaces) -> None:
        self._handlers[topic] = places.depth
        info = camera_info_topic(self._bag, topic)
        if info is not None:
            rectified = are_rectified(topic)
            self._handlers[info] = lambda message: self._on_depth_info(message, rectified)

    @property
    def is_used(self) -> bool:
        """Whether the settings use any of them."""
        return self._gyroscope is not None or self._places is not None

    @property
    def topics(self) -> list[str]:
        """Topics that are read."""
        return list(self._handlers)

    def message(self, message: Recorded) -> bool:
        """Take a message of one of the topics; False for those of others."""
        handler = self._handlers.get(message.topic)
        if handler is None:
            return False
        try:
            handler(self._bag.decode(message))
        except ValueError as error:
            if not self.undecodable:
                self._warn(f"{message.topic}: {error}")
            self.undecodable += 1
        self.advance()
        return True

    def lens(self, lens: Lens | None) -> None:
        """Take the calibration of the camera."""
        self._lens = lens
        if self._places is not None:
            self._places.lens(lens)

    def ego_motion(self, frame: Frame) -> EgoMotion | None:
        """Return the camera's measured rotation for a frame; None if it is unknown."""
        return None if self._gyroscope is None else self._gyroscope.at(frame, self._lens)

    def tracks(self, tracks: Tracks, verdict: Verdict) -> None:
        """Take the tracks at an image; tentative ones have no position."""
        if self._places is not None:
            self._places.tracks(tracks, verdict)
            self.advance()

    def advance(self) -> None:
        """Handle what is ready at the time of the bag."""
        if self._places is not None:
            self._places.advance()

    def documents(self, stamp_ns: int) -> Mapping[int, Mapping[str, Any]]:
        """Return where tracks are, as JSON by id; those that have a recent position."""
        return {} if self._places is None else self._places.documents(stamp_ns)

    def summary(self) -> dict[str, Any]:
        """Return what came of the sensors that are used."""
        found: dict[str, Any] = {}
        if self._gyroscope is not None:
            found["imu"] = self._gyroscope.summary()
        if self._places is not None:
            found["places"] = {"placed": self._places.placed, "missing": dict(self._places.missing)}
        if self.undecodable:
            found["undecodable"] = self.undecodable
        return found

    def _on_imu(self, message: Any) -> None:
        assert self._gyroscope is not None
        self._gyroscope.imu(message, self._now_ns())

    def _on_transforms(self, message: Any, *, static: bool) -> None:
        if self._gyroscope is not None and static:
            self._gyroscope.transforms(message)
        if self._places is not None:
            self._places.transforms(message, static=static)

    def _on_depth_info(self, message: Any, rectified: bool) -> None:
        assert self._places is not None
        try:
            self._places.depth_lens(to_lens(message, rectified=rectified))
        except ValueError:
            self._places.depth_lens(None)  # as if it had not come: the frames decide


def check_one_camera(settings: PerceptionSettings, cameras: int) -> None:
    """Raise a :class:`UserError` where sensors are asked for and there are several cameras."""
    uses = settings.ego_motion.source == "imu" or settings.spatial.source != "none"
    if uses and cameras > 1:
        raise UserError(
            "ego_motion.source and spatial.source belong to one camera; name one --topic"
        )
