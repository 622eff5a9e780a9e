# SPDX-License-Identifier: Apache-2.0
"""The publishers of the perception node, for one camera. Any thread may publish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.readings.reading import Texts
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.sensors.lens import Lens, to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.viz.drawing import draw_marks, marks_of_tracks

# The places of tracks as JSON, by id.
PlaceDocuments = Mapping[int, Mapping[str, Any]]

_FRAMES_BEFORE_CAMERA_INFO = 30  # camera_info may arrive a little later than the first frames


class Outputs:
    """The result topics of one camera. They exist from configure to cleanup.

    Publishing does nothing while the node is inactive.

    Args:
        node: publishes them.
        prefix: in front of each topic's name, such as ``front/``.
    """

    def __init__(self, node: LifecycleNode, prefix: str = "") -> None:
        self._node = node
        self._publishers: list[LifecyclePublisher] = []

        def publisher(kind: type, name: str, profile: QoSProfile) -> LifecyclePublisher:
            made = node.create_lifecycle_publisher(
                kind, prefix + name, qos.own(profile), qos_overriding_options=qos.overridable()
            )
            self._publishers.append(made)
            return made

        self._detections = publisher(Detection2DArray, "detections", qos.RESULTS)
        self._tracks = publisher(Detection2DArray, "tracks", qos.RESULTS)
        self._grounding = publisher(String, "grounding", qos.RESULTS)
        self._states = publisher(String, "track_states", qos.RESULTS)
        self._labels = publisher(LabelInfo, "label_info", qos.LATCHED)
        self._debug_image = publisher(Image, "debug_image", qos.SENSOR)
        self._debug_jpeg = publisher(CompressedImage, "debug_image/compressed", qos.SENSOR)
        self._markers = publisher(MarkerArray, "markers", qos.RESULTS)
        self._lens: Lens | None = None
        self._lens_problem = "no camera_info has come yet"
        self._marked: set[int] = set()
        self._unmarked_frames = 0

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def camera_info(self, message: CameraInfo, *, rectified: bool) -> None:
        """Remember the camera's calibration: markers need it."""
        try:
            self._lens, self._lens_problem = to_lens(message, rectified=rectified), ""
        except ConversionError as error:
            self._lens, self._lens_problem = None, str(error)

    def query(self, query: Query, threshold: float) -> None:
        """Publish the labels of the query, for present and later subscribers."""
        now_ns = self._node.get_clock().now().nanoseconds
        self._labels.publish(conversions.to_label_info(query, now_ns, threshold))

    def answer(self, answer: Answer, places: PlaceDocuments) -> None:
        """Publish one answer: all of it as JSON, and its detections.

        An answer that is not evidence about the scene (timeout, error, unparseable) has no
        ``detections`` message, since an empty one means that nothing is there. Nor has one about a
        part of the image, since the message can't say so.
        """
        ids, grounding = answer.applied.id_texts, answer.grounding
        if grounding.shows_whole_image:
            self._detections.publish(conversions.to_detections(grounding, ids))
        self._grounding.publish(conversions.to_json(grounding.to_dict(ids, places)))

    def tracks(self, frame: Frame, tracks: Tracks, places: PlaceDocuments, texts: Texts) -> None:
        """Publish the tracks at a camera frame.

        ``tracks``, ``markers`` and ``debug_image`` show confirmed and coasting tracks; tentative
        ones are in ``track_states`` only.
        """
        tracks = of_frame(tracks, frame)
        confirmed = tracks.established
        self._tracks.publish(conversions.to_tracks(tracks, confirmed))
        self._states.publish(conversions.to_json(tracks.to_dict(places, texts)))
        self._publish_drawing(frame, tracks)
        if self._markers.get_subscription_count():
            self._publish_markers(tracks, confirmed)

    def _publish_drawing(self, frame: Frame, tracks: Tracks) -> None:
        raw = self._debug_image.get_subscription_count()
        compressed = self._debug_jpeg.get_subscription_count()
        if not raw and not compressed:
            return
        drawn = draw_marks(frame.pixels, marks_of_tracks(tracks).values())
        if raw:
            message = conversions.to_image(drawn, frame.stamp_ns, frame.frame_id, "rgb8")
            self._debug_image.publish(message)
        if compressed:
            self._debug_jpeg.publish(conversions.to_jpeg(drawn, frame.stamp_ns, frame.frame_id))

    def _publish_markers(self, tracks: Tracks, confirmed: list[int]) -> None:
        lens, problem = self._lens, self._lens_problem
        if lens is not None and (unfit := lens.unfit_for(tracks.wh)):
            lens, problem = None, unfit
        if lens is None:
            self._unmarked_frames += 1
            if self._unmarked_frames == _FRAMES_BEFORE_CAMERA_INFO:
                self._node.get_logger().warning(
                    f"markers need the camera's calibration, and none are published: {problem}"
                )
            return
        self._unmarked_frames = 0
        shown = {int(tracks.ids[i]) for i in confirmed}
        gone = self._marked - shown
        self._markers.publish(conversions.to_markers(tracks, confirmed, lens.intrinsics, gone))
        self._marked = shown


def of_frame(tracks: Tracks, frame: Frame) -> Tracks:
    """Return tracks with the frame_id, camera and size of the frame that they are predicted to."""
    if tracks.wh == frame.wh and tracks.frame_id == frame.frame_id:
        return tracks
    return replace(tracks, frame_id=frame.frame_id, camera=frame.camera, wh=frame.wh)
