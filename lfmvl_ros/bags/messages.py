# SPDX-License-Identifier: Apache-2.0
"""Results -> messages of a bag, the same as the node publishes (``ros/conversions.py``).

That file makes messages of rclpy, which is not there without ROS; a test compares the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, xyxy_to_cxcywh
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.sensors.camera_view import TrueObject
from lfmvl_ros.viz.drawing import colour_of

DETECTIONS, STRING = "vision_msgs/msg/Detection2DArray", "std_msgs/msg/String"
MARKERS, CAMERA_INFO = "visualization_msgs/msg/MarkerArray", "sensor_msgs/msg/CameraInfo"
_LINE_STRIP, _TEXT, _ADD, _DELETE = 4, 9, 0, 2


class Messages:
    """Makes messages of the types of a store (:func:`lfmvl_ros.bags.types.typestore`)."""

    def __init__(self, store: Any) -> None:
        self._types = store.types

    def _new(self, kind: str, **fields: Any) -> Any:
        return self._types[kind](**fields)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Return a header."""
        stamp = self._new(
            "builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
        )
        return self._new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def text(self, document: Mapping[str, Any]) -> Any:
        """Return a document as JSON."""
        return self._new(STRING, data=json_text(document))

    def detections(self, grounding: Grounding, ids: Sequence[str]) -> Any:
        """Return an answer's objects with the header of their frame."""
        found = grounding.detections
        header = self.header(grounding.stamp_ns, grounding.frame_id)
        return self._boxes(header, found.xyxy_px, found.labels, found.scores, ids)

    def tracks(self, tracks: Tracks, rows: Sequence[int]) -> Any:
        """Return some of the tracks with the header of the newest frame."""
        chosen = np.asarray(rows, dtype=np.intp)
        return self._boxes(
            self.header(tracks.stamp_ns, tracks.frame_id),
            tracks.xyxy_px[chosen],
            [tracks.labels[i] for i in rows],
            tracks.scores[chosen],
            [str(int(tracks.ids[i])) for i in rows],
        )

    def _boxes(
        self,
        header: Any,
        xyxy_px: FloatArray,
        labels: Sequence[str],
        scores: Iterable[float],
        ids: Sequence[str],
    ) -> Any:
        vision = "vision_msgs/msg/"
        found = []
        boxes = xyxy_to_cxcywh(xyxy_px).tolist()
        for (cx, cy, width, height), label, score, id_ in zip(
            boxes, labels, scores, ids, strict=True
        ):
            hypothesis = self._new(
                f"{vision}ObjectHypothesisWithPose",
                hypothesis=self._new(f"{vision}ObjectHypothesis", class_id=label,
                                     score=float(score)),
                pose=self._new("geometry_msgs/msg/PoseWithCovariance", pose=self._pose(),
                               covariance=np.zeros(36)),
            )  # fmt: skip
            centre = self._new(f"{vision}Pose2D", theta=0.0,
                               position=self._new(f"{vision}Point2D", x=cx, y=cy))  # fmt: skip
            box = self._new(f"{vision}BoundingBox2D", center=centre, size_x=width, size_y=height)
            found.append(
                self._new(f"{vision}Detection2D", header=header, results=[hypothesis], bbox=box,
                          id=id_)
            )  # fmt: skip
        return self._new(DETECTIONS, header=header, detections=found)

    # -- markers -------------------------------------------------------------------------------

    def markers(
        self,
        tracks: Tracks,
        rows: Sequence[int],
        intrinsics: Iterable[float],
        gone: Iterable[int] = (),
    ) -> Any:
        """Return an outline and a label for each track, 1 m in front of the camera."""
        header = self.header(tracks.stamp_ns, tracks.frame_id)
        made = [
            self._marker(header, space, number, kind=0, action=_DELETE)
            for number in gone
            for space in ("tracks", "labels")
        ]
        fx, fy, cx, cy = intrinsics
        for i in rows:
            number = int(tracks.ids[i])
            x1, y1, x2, y2 = ((tracks.xyxy_px[i] - (cx, cy, cx, cy)) / (fx, fy, fx, fy)).tolist()
            corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1))
            colour = [value / 255 for value in colour_of(number)]
            outline = self._marker(
                header, "tracks", number, kind=_LINE_STRIP, colour=colour, scale=(0.004, 0.0, 0.0),
                points=[self._point(x, y) for x, y in corners],
            )  # fmt: skip
            text = f"{tracks.labels[i]} #{number} {tracks.scores[i]:.2f}"
            at = self._point((x1 + x2) / 2, y1 - 0.02)
            made += [outline, self._marker(header, "labels", number, kind=_TEXT, colour=colour,
                                           scale=(0.0, 0.0, 0.03), at=at, text=text)]  # fmt: skip
        return self._new(MARKERS, markers=made)

    def _marker(
        self,
        header: Any,
        space: str,
        number: int,
        *,
        kind: int,
        action: int = _ADD,
        colour: Sequence[float] | None = None,
        scale: tuple[float, float, float] = (0.0, 0.0, 0.0),
        points: Sequence[Any] = (),
        at: Any = None,
        text: str = "",
    ) -> Any:
        red, green, blue, alpha = (*colour, 1.0) if colour is not None else (0.0, 0.0, 0.0, 0.0)
        return self._new(
            "visualization_msgs/msg/Marker",
            header=header, ns=space, id=number & 0x7FFFFFFF, type=kind, action=action,
            pose=self._pose(at),
            scale=self._new("geometry_msgs/msg/Vector3", x=scale[0], y=scale[1], z=scale[2]),
            color=self._new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha),
            lifetime=self._new("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
            frame_locked=False, points=list(points), colors=[], texture_resource="",
            texture=self._new(
                "sensor_msgs/msg/CompressedImage", header=self.header(0, ""), format="",
                data=np.zeros(0, np.uint8),
            ),
            uv_coordinates=[], text=text, mesh_resource="",
            mesh_file=self._new("visualization_msgs/msg/MeshFile", filename="",
                                data=np.zeros(0, np.uint8)),
            mesh_use_embedded_materials=False,
        )  # fmt: skip

    def _point(self, x: float, y: float, z: float = 1.0) -> Any:
        return self._new("geometry_msgs/msg/Point", x=x, y=y, z=z)

    def _pose(self, at: Any = None) -> Any:
        return self._new(
            "geometry_msgs/msg/Pose",
            position=at if at is not None else self._point(0.0, 0.0, 0.0),
            orientation=self._new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )

    # -- images --------------------------------------------------------------------------------

    def image(self, pixels: Any, stamp_ns: int, frame_id: str) -> Any:
        """Return ``(H, W, 3)`` uint8 RGB as a raw image."""
        height, width = pixels.shape[:2]
        return self._new(
            "sensor_msgs/msg/Image", header=self.header(stamp_ns, frame_id), height=height,
            width=width, encoding="rgb8", is_bigendian=0, step=3 * width,
            data=np.ascontiguousarray(pixels).reshape(-1),
        )  # fmt: skip

    def jpeg(self, data: bytes, stamp_ns: int, frame_id: str) -> Any:
        """Return a JPEG as image_transport sends it."""
        return self._new(
            "sensor_msgs/msg/CompressedImage", header=self.header(stamp_ns, frame_id),
            format="rgb8; jpeg compressed bgr8", data=np.frombuffer(data, np.uint8),
        )  # fmt: skip

    def truth(self, stamp_ns: int, frame_id: str, objects: Sequence[TrueObject]) -> Any:
        """Return what is really in an image; the score of an object is its visible share."""
        seen = [item for item in objects if item.visibility > 0]
        return self._boxes(
            self.header(stamp_ns, frame_id),
            np.array([item.xyxy_px for item in seen], np.float64).reshape(-1, 4),
            [item.label for item in seen],
            [item.visibility for item in seen],
            [str(item.id) for item in seen],
        )

    def camera_info(
        self, stamp_ns: int, frame_id: str, wh: tuple[int, int], intrinsics: Iterable[float]
    ) -> Any:
        """Return the calibration of a camera without distortion; fx, fy, cx, cy in pixels."""
        fx, fy, cx, cy = map(float, intrinsics)
        region = self._new("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0,
                           width=0, do_rectify=False)  # fmt: skip
        return self._new(
            CAMERA_INFO, header=self.header(stamp_ns, frame_id), height=wh[1], width=wh[0],
            distortion_model="plumb_bob", d=np.zeros(5),
            k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1.0]),
            r=np.eye(3).reshape(-1),
            p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1.0, 0]),
            binning_x=0, binning_y=0, roi=region,
        )  # fmt: skip
