# SPDX-License-Identifier: Apache-2.0
"""A subscriber like any controller: records for a while, then writes what it received.

It starts with the first ``tracks`` message, and when it ends it prints a summary as one JSON line.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray, Detection3DArray

from lfmvl_ros.core.config import RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.whole_files import finite, make_folder
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.parameters import SettingsParameters, warn_unused_qos
from lfmvl_ros.ros.process import run, stop_spinning
from lfmvl_ros.ros.received_documents import grounding_from, states_from
from lfmvl_ros.ros.recording import Recording
from lfmvl_ros.ros.sensors.lens import are_rectified, to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.place_messages import to_edge
from lfmvl_ros.ros.spatial.received_solids import boxes_from, solids_from
from lfmvl_ros.ros.transport import middleware

USAGE = """recorder_node subscribes to the camera and the results, and writes what it receives.

  ros2 run lfmvl_ros recorder_node --ros-args -r __ns:=/lfmvl -p out:=out/run -p duration_s:=20.0

`lfmvl config --recorder` prints every parameter. Exit code 1: no tracks message came."""
_PERIOD_S, _REDRAW_S, _WAITING_S = 0.1, 0.5, 5.0


class RecorderNode(Node):
    """Subscribes to camera and perception node, and records from the first tracks message on.

    Raises:
        UserError: a parameter, or the directory, can't be used.
    """

    def __init__(self) -> None:
        super().__init__("recorder")
        self.exit_code = 0
        self.settings = SettingsParameters(self, RecorderSettings(), lambda _: None).settings
        self.recording = Recording()
        try:
            make_folder(Path(self.settings.out))
        except UserError as error:
            raise UserError(f"out: {self.settings.out!r} can't be made: {error}") from error
        self.elapsed_s = 0.0
        self.sees_images, self.why_none = False, ""
        self._born_s, self._started_s, self._shown_s = time.monotonic(), -1.0, 0.0
        overridable = qos.overridable()
        self.create_subscription(
            Image, "image_raw", self._on_image, qos.SENSOR, qos_overriding_options=overridable
        )
        self.create_subscription(Detection2DArray, "tracks", self._on_tracks, qos.RESULTS)
        self.create_subscription(String, "track_states", self._on_states, qos.RESULTS)
        self.create_subscription(String, "grounding", self._on_grounding, qos.RESULTS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_subscription(Detection3DArray, "tracks_3d", self._on_places, qos.RESULTS)
        self.create_subscription(Detection3DArray, "truth_3d", self._on_true_places, qos.RESULTS)
        self.create_subscription(Detection2DArray, "truth", self._on_true_boxes, qos.RESULTS)
        self.create_subscription(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        for topic, profile in (("/tf", qos.TRANSFORMS), ("/tf_static", qos.STATIC_TRANSFORMS)):
            static = profile is qos.STATIC_TRANSFORMS
            take = functools.partial(self._on_transforms, static=static)
            self.create_subscription(TFMessage, topic, take, profile)
        warn_unused_qos(self)
        self.topics = [self.resolve_topic_name(name) for name in ("image_raw", "tracks")]
        self._bar = tqdm(
            total=self.settings.duration_s,
            unit="s",
            desc="listening",
            bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s {postfix}",
        )
        self.create_timer(_PERIOD_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def started(self) -> bool:
        """True once a tracks message has arrived."""
        return self._started_s >= 0

    @property
    def waited_s(self) -> float:
        """Seconds since the node was made."""
        return time.monotonic() - self._born_s

    def close(self) -> None:
        """End the recording."""
        if self.started:
            self.elapsed_s = time.monotonic() - self._started_s
        else:
            self.why_none = self.missing()
        self._bar.close()

    def _tick(self) -> None:
        if not self.started:
            self._wait()
            return
        self.elapsed_s = time.monotonic() - self._started_s
        done = self.elapsed_s >= self.settings.duration_s
        if done or self.elapsed_s - self._bar.n >= _REDRAW_S:
            recording = self.recording
            self._bar.set_postfix_str(
                f"{len(recording.track_latency_ms)} frames, {len(recording.groundings)} answers, "
                f"{len(recording.seen_ns)} ids",
                refresh=False,
            )
            self._bar.update(min(self.elapsed_s, self.settings.duration_s) - self._bar.n)
        if done:
            stop_spinning()

    def _wait(self) -> None:
        if self.waited_s > self.settings.start_timeout_s:
            stop_spinning()
        if self.waited_s >= self._shown_s + _WAITING_S:
            self._shown_s = self.waited_s
            self._bar.set_postfix_str(f"no tracks yet after {self.waited_s:.0f} s")

    def missing(self) -> str:
        """Return what is known about why no tracks came, and what to do about it."""
        images, tracks = self.topics
        if not self.count_publishers(tracks):
            return (
                f"nothing publishes {tracks}: start the perception node, or compare its namespace"
            )
        if not self.sees_images:
            return f"a node publishes {tracks}, but no image came on {images}: start the camera"
        return (
            f"images come on {images}, and a node publishes {tracks}, but is not yet active: its "
            "model may still be loading; raise start_timeout_s where the machine is busy"
        )

    def _on_image(self, message: Image) -> None:
        self.sees_images = True
        if not self.started:
            return
        try:
            _check_stamp(message.header)
            frame = conversions.frame_from_image(message)
            self.recording.add_image(frame.stamp_ns, frame.pixels)
            self.recording.positions.camera_frame = frame.frame_id
        except (ConversionError, ValueError) as error:
            self._skip("images", error)

    def _on_tracks(self, message: Detection2DArray) -> None:
        received_ns = self.get_clock().now().nanoseconds
        if not self.started:
            self._started_s = time.monotonic()
        try:
            _check_stamp(message.header)
        except ValueError as error:
            self._skip("tracks", error)
            return
        ids = [detection.id for detection in message.detections]
        self.recording.add_tracks(conversions.stamp_ns(message.header.stamp), received_ns, ids)

    def _on_states(self, message: String) -> None:
        try:
            stamp_ns, document = states_from(message.data)
        except ValueError as error:
            self._skip("track_states", error)
        else:
            self.recording.states[stamp_ns] = document

    def _on_grounding(self, message: String) -> None:
        try:
            self.recording.groundings.append(grounding_from(message.data))
        except ValueError as error:
            self._skip("grounding", error)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for item in status.values:
                if item.key.startswith("dropped."):
                    try:
                        count = int(item.value)
                    except ValueError as error:
                        self._skip("diagnostics", error)
                    else:
                        self.recording.dropped[item.key.removeprefix("dropped.")] = count

    def _on_places(self, message: Detection3DArray) -> None:
        positions = self.recording.positions
        try:
            stamp_ns, positions.frame_id, positions.places[stamp_ns] = solids_from(message)
        except ValueError as error:
            self._skip("tracks_3d", error)

    def _on_true_places(self, message: Detection3DArray) -> None:
        try:
            stamp_ns, _, self.recording.positions.truth[stamp_ns] = solids_from(message)
        except ValueError as error:
            self._skip("truth_3d", error)

    def _on_true_boxes(self, message: Detection2DArray) -> None:
        try:
            stamp_ns, self.recording.positions.true_boxes[stamp_ns] = boxes_from(message)
        except ValueError as error:
            self._skip("truth", error)

    def _on_camera_info(self, message: CameraInfo) -> None:
        rectified = are_rectified(self.topics[0])
        try:
            self.recording.positions.lens = to_lens(message, rectified=rectified).intrinsics
        except ConversionError:
            self.recording.positions.lens = None  # not calibrated

    def _on_transforms(self, message: TFMessage, *, static: bool) -> None:
        for item in message.transforms:
            try:
                self.recording.positions.transforms.add(*to_edge(item), static=static)
            except ValueError as error:
                self._skip("tf", error)

    def _skip(self, what: str, reason: Exception) -> None:
        """Skip a message; warn about the first of its kind."""
        if not self.recording.skipped[what]:
            self.get_logger().warning(
                f"{what} are left out of the recording: {safe_text(str(reason))}"
            )
        self.recording.skipped[what] += 1


def _check_stamp(header: Header) -> None:
    """Refuse messages without a stamp, because messages are matched by their stamps."""
    if not conversions.stamp_ns(header.stamp):
        raise ValueError("they have no time stamp (zero); let the driver stamp its messages")


def finish(node: RecorderNode) -> int:
    """Write the results and print the summary; exit code 1 if no tracks arrived."""
    recording, settings = node.recording, node.settings
    if not node.started:
        gave_up = node.waited_s > settings.start_timeout_s
        waited = f"no tracks within {settings.start_timeout_s:g} s" if gave_up else "stopped first"
        print(f"{waited}; {node.why_none}", file=sys.stderr)
        return 1
    for what, count in recording.skipped.items():
        print(f"{count} {what} could not be used and are left out", file=sys.stderr)
    if not recording.images and not recording.skipped["images"]:
        print(f"no image came on {node.topics[0]}, so there is no video", file=sys.stderr)
    rate_hz = len(recording.track_latency_ms) / max(node.elapsed_s, 1e-3)
    code = 0
    try:
        recording.write(Path(settings.out), rate_hz=rate_hz)
    except UserError as error:  # the summary is still useful
        print(error, file=sys.stderr)
        code = 2
    ros = middleware.find_ros()
    which = {
        "ros_distribution": ros.distribution if ros else "",
        "rmw": get_rmw_implementation_identifier(),
    }
    print(json_text(finite(recording.summary() | which)), flush=True)
    return code


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node as this process."""
    run(RecorderNode, USAGE, args, finish=finish)


if __name__ == "__main__":
    main()
