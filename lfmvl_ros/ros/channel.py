# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its subscriptions, publishers and diagnostics."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer, PipelineStatus
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.diagnostics.health import CameraMonitor, Health
from lfmvl_ros.ros.gyroscope import EgoMotionInput
from lfmvl_ros.ros.image_reader import image_topic
from lfmvl_ros.ros.image_subscription import subscribe_to_images
from lfmvl_ros.ros.outputs import Outputs, PlaceDocuments, of_frame
from lfmvl_ros.ros.reading_channel import ReadingChannel
from lfmvl_ros.ros.sensors.arrivals import ArrivalMonitor
from lfmvl_ros.ros.sensors.intake import FrameIntake
from lfmvl_ros.ros.sensors.lens import are_rectified
from lfmvl_ros.ros.shared import Shared

if TYPE_CHECKING:
    from lfmvl_ros.core.commands.rule_events import RuleEvents
    from lfmvl_ros.core.memory.recorder import MemoryRecorder
    from lfmvl_ros.core.readings.reading import Texts
    from lfmvl_ros.core.spatial.places import Places
    from lfmvl_ros.ros.drift_channel import DriftChannel
    from lfmvl_ros.ros.rules_channel import RulesChannel
    from lfmvl_ros.ros.spatial.place_channel import PlaceChannel


class CameraChannel:
    """The topics of one camera, ``<name>/…``, without a prefix where the name is empty.

    Args:
        name: of the camera; "" when it is the only one.
        shared: what all cameras of the node use.

    Attributes:
        newest_tracks: at the newest image, and when they were published (monotonic s); None before
            the first image, and while the camera is not subscribed to.
        reading: reads text on the tracks; None while the node is not configured.
    """

    def __init__(self, name: str, shared: Shared) -> None:
        self.name, self.prefix = name, topic_prefix(name)
        self._shared = shared
        self._node, self._gate, self._streams = shared.node, shared.gate, shared.streams
        self._ego: EgoMotionInput | None = None
        self._places: PlaceChannel | None = None
        self._rules: RulesChannel | None = None
        self._drift: DriftChannel | None = None
        self._memory: MemoryRecorder | None = None
        self.reading: ReadingChannel | None = None
        self._subscriptions: list[Subscription] = []
        self._outputs: Outputs | None = None
        self._monitor: CameraMonitor | None = None
        self._arrivals = ArrivalMonitor()
        self.newest_tracks: tuple[Tracks, float] | None = None
        self._rectified = False
        self._intake = FrameIntake(
            functools.partial(shared.images, camera=name),
            self._on_frame,
            lambda: int(shared.settings.tracker.reorder_window_s * 1e9),
            self._warn,
            receipt_ns=lambda: shared.node.get_clock().now().nanoseconds,
        )

    # -- life cycle --------------------------------------------------------------------------------

    def open(self) -> None:
        """Create the publishers."""
        self._outputs = Outputs(self._node, self.prefix)
        if self._settings().spatial.source != "none":
            from lfmvl_ros.ros.spatial.place_channel import PlaceChannel  # imported only if used

            self._places = PlaceChannel(
                self._node,
                self._streams,
                self._shared.transforms,
                self._gate,
                self.name,
                self._settings,
                self._warn,
                self._on_places,
            )
        self._open_rules()
        if self._settings().memory.file:
            from lfmvl_ros.core.memory.recorder import MemoryRecorder  # imported only if used

            self._memory = MemoryRecorder(self._settings().memory, self._warn)
        self.reading = ReadingChannel(self._node, self._gate, self.name, self._settings, self._warn)
        if self._settings().drift.watch:
            from lfmvl_ros.ros.drift_channel import DriftChannel  # imported only if used

            self._drift = DriftChannel(
                self._node, self._gate, self.name, self._settings().drift, self._warn
            )

    def _on_places(self, places: Places) -> None:
        if self._rules is not None:
            self._rules.places(places)

    def _open_rules(self) -> None:
        if self._settings().rules_file:
            from lfmvl_ros.ros.rules_channel import RulesChannel  # imported only if used

            self._rules = RulesChannel(
                self._node,
                self._streams,
                self._gate,
                self.name,
                self._settings,
                self._warn,
                self.look,
                lambda frame, tracks: self._shared.side.snapshot(frame, tracks, self._settings()),
            )

    @property
    def rule_events(self) -> RuleEvents | None:
        """What the rules have published; None without rules."""
        return None if self._rules is None else self._rules.recent

    def look(self, _message: object = None) -> None:
        """Ask about the next frames, where the trigger sleeps."""
        if (pipeline := self._shared.pipeline) is not None:
            pipeline.wake(self.name)

    def start(self) -> None:
        """Subscribe to the camera, and to the gyroscope if it is used."""
        compressed = self._settings().compressed_input
        images = image_topic(self._node, self.prefix, compressed)
        topic = self._node.resolve_topic_name(images)
        self._rectified = are_rectified(topic)
        self._monitor = CameraMonitor(topic, time.monotonic(), self.name)
        self._arrivals = ArrivalMonitor()
        if self._settings().ego_motion.source == "imu":
            self._ego = EgoMotionInput(
                self._node, self._streams, self.name, topic, self._settings, self._warn
            )
        if self._places is not None:
            self._places.start(topic)
        if self._rules is not None:
            self._rules.start()
        if self._drift is not None:
            self._drift.start()
        self._intake.start()
        assert self._outputs is not None
        self._subscriptions = [
            subscribe_to_images(
                self._streams.subscribe,
                CompressedImage if compressed else Image,
                images,
                self._intake.put,
                qos.own(qos.NEWEST),
                self._arrivals,
                qos_overriding_options=qos.overridable(),
            ),
            self._streams.subscribe(
                CameraInfo,
                f"{self.prefix}camera_info",
                self._on_camera_info,
                qos.own(qos.NEWEST),
                qos_overriding_options=qos.overridable(),
            ),
        ]

    def stop(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._streams.unsubscribe(self._subscriptions.pop())
        ego, self._ego = self._ego, None
        if ego is not None:
            ego.stop()
        self._monitor = None
        self._intake.stop()
        self.newest_tracks = None
        if self._places is not None:
            self._places.stop()
        if self._rules is not None:
            self._rules.stop()
        if self._drift is not None:
            self._drift.stop()
        if self.reading is not None:
            self.reading.stop()
        if (pipeline := self._shared.pipeline) is not None:
            pipeline.set_ego_motion(self.name, None)

    def close(self) -> None:
        """Destroy the publishers."""
        outputs, self._outputs = self._outputs, None
        if outputs is not None:
            outputs.close()
        places, self._places = self._places, None
        if places is not None:
            places.close()
        rules, self._rules = self._rules, None
        if rules is not None:
            rules.close()
        drift, self._drift = self._drift, None
        if drift is not None:
            drift.close()
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.close()
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    # -- results -----------------------------------------------------------------------------------

    def query(self, query: Query, threshold: float) -> None:
        """Publish the query."""
        if self._outputs is not None:
            self._gate.call(self._outputs.query, query, threshold)

    def answer(self, answer: Answer) -> None:
        """Publish an answer about this camera."""
        outputs = self._outputs
        if outputs is not None:
            places = self.places_at(answer.grounding.stamp_ns)
            self._gate.call(outputs.answer, answer, places)
        if self._rules is not None:
            self._rules.answer(answer)
        if self._drift is not None:
            self._drift.answer(answer)

    @property
    def is_drifting(self) -> bool:
        """Whether a change of images or answers is reported now."""
        return self._drift is not None and self._drift.is_drifting

    def places_at(self, stamp_ns: int) -> PlaceDocuments:
        """Return the positions of tracks as JSON, by id; only recent ones."""
        places = self._places
        return {} if places is None else places.documents(stamp_ns)

    def texts(self) -> Texts:
        """Return the texts on tracks' objects, by id, of at least ``reading.min_confidence``."""
        reading = self.reading
        return {} if reading is None else reading.texts()

    def poll(self) -> None:
        """Check the rules file for changes; not while the node's state changes."""
        if self._rules is not None:
            self._rules.poll()
        elif self._outputs is not None:
            self._open_rules()
            if self._rules is not None and self._monitor is not None:
                self._rules.activate()
                self._rules.start()

    def health(self, pipeline: PipelineStatus, now_s: float) -> list[Health]:
        """Return the diagnostics of the camera; nothing while it is not subscribed to."""
        monitor = self._monitor
        if monitor is None:
            return []
        intake, arrivals = self._intake.status(), self._arrivals.status()
        camera = monitor.report(intake, pipeline, self._settings(), now_s, arrivals)
        ego, places, rules, drift = self._ego, self._places, self._rules, self._drift
        reading = self.reading
        return [
            camera,
            *([] if ego is None else ego.health(now_s)),
            *([] if places is None else [places.health()]),
            *([] if rules is None else [rules.health()]),
            *([] if drift is None else [drift.health()]),
            *([] if reading is None else reading.health()),
        ]

    def _on_camera_info(self, message: CameraInfo, _info: dict[str, int]) -> None:
        outputs, ego, places = self._outputs, self._ego, self._places
        if outputs is not None:
            outputs.camera_info(message, rectified=self._rectified)
        if places is not None:
            places.camera_info(message)
        if ego is not None:
            ego.camera_info(message)

    def _on_frame(self, frame: Frame, verdict: Verdict) -> None:
        pipeline, ego, outputs = self._shared.pipeline, self._ego, self._outputs
        if pipeline is None:
            return
        if ego is not None:
            pipeline.set_ego_motion(self.name, ego.at(frame))
        tracks = pipeline.submit(frame, verdict)
        if outputs is not None:
            tracks = of_frame(tracks, frame)
            self.newest_tracks = (tracks, time.monotonic())
            texts = self.texts()
            self._gate.call(outputs.tracks, frame, tracks, self.places_at(tracks.stamp_ns), texts)
            if self._places is not None:
                self._places.tracks(tracks, verdict)
            if self._rules is not None:
                self._rules.tracks(frame, tracks, verdict, texts)
            if self._memory is not None:
                self._memory.tracks(frame, tracks, self.places_at(tracks.stamp_ns))
            if self.reading is not None:
                self.reading.tracks(frame, tracks)
            self._shared.opinions.tracks(frame, tracks)

    def _settings(self) -> PerceptionSettings:
        return self._shared.settings

    def _warn(self, what: str) -> None:
        self._node.get_logger().warning(f"camera {self.name}: {what}" if self.name else what)
