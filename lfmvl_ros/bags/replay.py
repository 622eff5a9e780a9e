# SPDX-License-Identifier: Apache-2.0
"""Run the pipeline on a bag in simulated time, and write what the node would have published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lfmvl_ros.bags.images import frame_of
from lfmvl_ros.bags.messages import DETECTIONS, MARKERS, STRING, Messages
from lfmvl_ros.bags.messages_3d import DETECTIONS_3D, tracks_3d
from lfmvl_ros.bags.reading import Bag, Recorded, camera_info_topic
from lfmvl_ros.bags.sensors import BagSensors, SensorTopics, check_one_camera
from lfmvl_ros.bags.types import typestore
from lfmvl_ros.bags.video import VIDEO_TYPES, VideoDecoder
from lfmvl_ros.bags.writing import BagWriter
from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline.simulated import Latency, SimulatedPipeline
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.sensors.intake import FrameIntake
from lfmvl_ros.ros.sensors.lens import Lens, are_rectified, to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError


@dataclass(eq=False)
class _Camera:
    """One camera of the bag: its messages in, its results out."""

    name: str
    prefix: str
    intake: FrameIntake
    rectified: bool
    video: VideoDecoder | None = None
    lens: Lens | None = None
    marked: set[int] = field(default_factory=set)


class BagReplay:
    """A run of the pipeline on the cameras of a bag.

    Args:
        bag: that is read.
        out: bag that is written; None where only the tracks and counts matter: no message is
            made for it.
        model: answers.
        settings: as of the node.
        topics: image topic of each camera by its name.
        latency: of an answer; None: as measured.
        namespace: before the names of the results.
        warn: called with a sentence for each kind of message that can't be used.
        copy_input: write the images and camera_info into the new bag, too.
        on_tracks: called with the tracks at each image.
        sensors: topics of gyroscope and depth, where the bag has several.

    Raises:
        UserError: the settings ask for a sensor that the bag lacks, or video can't be decoded.
    """

    def __init__(
        self,
        bag: Bag,
        out: BagWriter | None,
        model: VisionLanguageModel,
        settings: PerceptionSettings,
        topics: Mapping[str, str],
        latency: Latency | None,
        *,
        namespace: str = "/lfmvl",
        warn: Callable[[str], None] = lambda _: None,
        copy_input: bool = False,
        on_tracks: Callable[[Tracks], object] = lambda _: None,
        sensors: SensorTopics | None = None,
    ) -> None:
        self._bag, self._out, self._settings = bag, out, settings
        self._copy_input, self._on_tracks = copy_input, on_tracks
        self._store = typestore()
        self._messages = Messages(self._store)
        self._pipeline = SimulatedPipeline(model, settings, latency, self._on_answer)
        self._now_ns = 0
        self._cameras: dict[str, _Camera] = {}
        self._images: dict[str, _Camera] = {}
        self._infos: dict[str, _Camera] = {}
        for name, topic in topics.items():
            prefix = f"{namespace.rstrip('/')}/{topic_prefix(name)}"
            video = VideoDecoder() if _kind_of(bag, topic) in VIDEO_TYPES else None
            camera = _Camera(name, prefix, self._intake(name, warn), are_rectified(topic), video)
            self._cameras[name] = self._images[topic] = camera
            info = camera_info_topic(bag, topic)
            if info is not None:
                self._infos[info] = camera
        check_one_camera(settings, len(topics))
        self._sensors = BagSensors(
            bag, settings, sensors or SensorTopics(), lambda: self._now_ns, self._write_places, warn
        )
        self.frames, self.outcomes, self._ids = 0, Counter[str](), set[tuple[str, int]]()
        self._regions = 0
        self._first_ns: int | None = None

    def run(self, on_message: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Replay the whole bag; return the summary.

        Args:
            on_message: called after each image.

        Raises:
            UserError: the bag is damaged, or the new one can't be written.
        """
        wanted = [*self._images, *self._infos, *self._sensors.topics]
        for message in self._bag.messages(list(dict.fromkeys(wanted))):
            self._now_ns = max(self._now_ns, message.time_ns)
            if self._first_ns is None:
                self._first_ns = self._now_ns
            self._pipeline.advance(self._now_ns)
            if self._copy_input and self._out is not None:
                self._out.copy(message, self._bag.typestore)
            self._sensors.advance()
            self._sensors.message(message)
            if message.topic in self._infos:
                self._on_camera_info(message)
            elif message.topic in self._images:
                self._on_image(message)
                on_message()
        self._pipeline.finish()
        self._now_ns += round(self._settings.spatial.tf_timeout_s / NS)
        self._sensors.advance()  # images that still wait have waited long enough
        return self._summary()

    def _intake(self, camera: str, warn: Callable[[str], None]) -> FrameIntake:
        return FrameIntake(
            lambda message: self._frame(message, camera),
            lambda _frame, _verdict: None,
            lambda: int(self._settings.tracker.reorder_window_s / NS),
            warn,
            warn_every_s=float("inf"),
            receipt_ns=lambda: self._now_ns,
        )

    def _frame(self, message: Recorded, camera: str) -> Frame:
        try:
            decoded = self._bag.decode(message)
        except ValueError as error:
            raise ConversionError(str(error)) from error
        limit, video = self._settings.image.max_input_megapixels, self._cameras[camera].video
        if video is not None:
            return video.frame_of(decoded, camera=camera, max_megapixels=limit)
        return frame_of(decoded, camera=camera, max_megapixels=limit)

    def _on_image(self, message: Recorded) -> None:
        camera = self._images[message.topic]
        taken = camera.intake.take(message)
        if taken is None:
            return
        frame, verdict = taken
        if self._settings.ego_motion.source == "imu":
            self._pipeline.set_ego_motion(camera.name, self._sensors.ego_motion(frame))
        tracks = self._pipeline.submit(frame, verdict, self._now_ns)
        self.frames += 1
        if tracks.wh != frame.wh or tracks.frame_id != frame.frame_id:
            tracks = replace(tracks, frame_id=frame.frame_id, camera=frame.camera, wh=frame.wh)
        self._write_tracks(camera, tracks)
        self._on_tracks(tracks)
        self._sensors.tracks(tracks, verdict)

    def _on_camera_info(self, message: Recorded) -> None:
        camera = self._infos[message.topic]
        try:
            camera.lens = to_lens(self._bag.decode(message), rectified=camera.rectified)
        except ValueError:
            camera.lens = None  # not calibrated: no markers
        self._sensors.lens(camera.lens)

    def _write_tracks(self, camera: _Camera, tracks: Tracks) -> None:
        sure, now_ns, made, out = tracks.established, self._now_ns, self._messages, self._out
        self._ids |= {(camera.name, int(tracks.ids[i])) for i in sure}
        if out is None:
            return
        out.write(f"{camera.prefix}tracks", DETECTIONS, made.tracks(tracks, sure), now_ns)
        states = made.text(tracks.to_dict(self._sensors.documents(tracks.stamp_ns)))
        out.write(f"{camera.prefix}track_states", STRING, states, now_ns)
        if camera.lens is not None and not camera.lens.unfit_for(tracks.wh):
            shown = {int(tracks.ids[i]) for i in sure}
            gone = sorted(camera.marked - shown)
            markers = made.markers(tracks, sure, camera.lens.intrinsics, gone)
            out.write(f"{camera.prefix}markers", MARKERS, markers, now_ns)
            camera.marked = shown

    def _write_places(self, places: Places, tracks: Tracks) -> None:
        if self._out is None:
            return
        camera = self._cameras[tracks.camera]
        found = tracks_3d(self._store, places, tracks)
        self._out.write(f"{camera.prefix}tracks_3d", DETECTIONS_3D, found, self._now_ns)

    def _on_answer(self, answer: Answer, done_ns: int) -> None:
        ids, grounding = answer.applied.id_texts, answer.grounding
        camera = self._cameras[grounding.camera]
        self.outcomes[grounding.outcome.value] += 1
        self._regions += grounding.region is not None
        if self._out is None:
            return
        made = self._messages
        if grounding.shows_whole_image:
            found = made.detections(grounding, ids)
            self._out.write(f"{camera.prefix}detections", DETECTIONS, found, done_ns)
        text = made.text(grounding.to_dict(ids, self._sensors.documents(grounding.stamp_ns)))
        self._out.write(f"{camera.prefix}grounding", STRING, text, done_ns)

    def _summary(self) -> dict[str, Any]:
        dropped: Counter[str] = Counter()
        for camera in self._cameras.values():
            dropped.update(camera.intake.status().dropped)
        first_ns = self._first_ns if self._first_ns is not None else self._now_ns
        return {
            "seconds": round((self._now_ns - first_ns) * NS, 3),
            "frames": self.frames,
            "dropped": {reason: count for reason, count in dropped.items() if count},
            "answers": sum(self.outcomes.values()),
            "outcomes": dict(sorted(self.outcomes.items())),
            "regions": self._regions,
            "frames_skipped_asleep": self._pipeline.skipped,
            "tracks": len(self._ids),
            **self._sensors.summary(),
            "written": {} if self._out is None else dict(sorted(self._out.counts.items())),
        }


def _kind_of(bag: Bag, topic: str) -> str:
    return next((each.kind for each in bag.topics if each.name == topic), "")
