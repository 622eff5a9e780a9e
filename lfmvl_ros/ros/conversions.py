# SPDX-License-Identifier: Apache-2.0
"""Messages <-> the package's own types.

Only this file, ``sensors.sensing``, ``spatial.messages`` and ``spatial.markers`` convert messages.
"""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import ColorRGBA, Header, String
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)
from visualization_msgs.msg import Marker, MarkerArray

from lfmvl_ros.core.boxes import xyxy_to_cxcywh
from lfmvl_ros.core.colour import MEASUREMENTS, PLANAR, Pixels
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.cv_bridge_codec import CvBridgeAdapter
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.sensors import stamps
from lfmvl_ros.ros.sensors.pixels import (
    check_raw,
    decode_compressed,
    decode_raw,
    encode_raw,
)
from lfmvl_ros.viz.drawing import colour_of

_OUR_ENCODINGS = (*MEASUREMENTS, *PLANAR, "8UC1", "8UC3")

# -- stamps ------------------------------------------------------------------------------------


stamp_ns = stamps.stamp_ns  # the same for a bag's messages


def to_stamp(stamp_ns: int) -> Time:
    """Return nanoseconds as a message's stamp."""
    return Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)


def to_header(stamp_ns: int, frame_id: str) -> Header:
    """Return a header."""
    return Header(stamp=to_stamp(stamp_ns), frame_id=frame_id)


# -- images ----------------------------------------------------------------------------------


def frame_from_image(
    message: Image | CompressedImage,
    bridge: CvBridgeAdapter | None = None,
    *,
    receipt_ns: int = 0,
    camera: str = "",
    max_megapixels: float = 64.0,
) -> Frame:
    """Return the image of a message.

    Args:
        message: raw, or compressed as JPEG or PNG.
        bridge: cv_bridge for raw colour images where it works; else our own codec decodes them.
        receipt_ns: replaces a zero stamp.
        camera: which of the node's cameras took it.
        max_megapixels: compressed images that state more million pixels are not decoded.

    Raises:
        ConversionError: see :mod:`lfmvl_ros.ros.sensors.pixels`.
    """
    taken_ns = stamp_ns(message.header.stamp) or receipt_ns
    if isinstance(message, CompressedImage):
        pixels = decode_compressed(message.format, message.data, max_megapixels=max_megapixels)
    else:
        pixels = _rgb_of(message, bridge)
    return Frame(pixels, taken_ns, message.header.frame_id, camera)


def _rgb_of(message: Image, bridge: CvBridgeAdapter | None) -> Pixels:
    encoding, wh = message.encoding, (message.width, message.height)
    # cv_bridge's byte swap calls what NumPy 2 has removed; some encodings have no colours for it.
    ours = bool(message.is_bigendian) or encoding in _OUR_ENCODINGS
    if bridge is None or not bridge.works or ours:
        order = bool(message.is_bigendian)
        return decode_raw(encoding, message.data, wh, message.step, big_endian=order)
    check_raw(encoding, len(message.data), wh, message.step)
    return bridge.to_rgb(message)


def has_stamp(message: Image | CompressedImage) -> bool:
    """Return whether the driver set a stamp."""
    return bool(message.header.stamp.sec or message.header.stamp.nanosec)


def to_image(pixels: Pixels, stamp_ns: int, frame_id: str, encoding: str = "rgb8") -> Image:
    """Return ``(H, W, 3)`` RGB as a message of ``rgb8``, ``bgr8`` or ``mono8``."""
    encoded = np.ascontiguousarray(encode_raw(pixels, encoding))
    data = array.array("B")
    data.frombytes(encoded.data.cast("B"))
    return Image(
        header=to_header(stamp_ns, frame_id),
        height=encoded.shape[0],
        width=encoded.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=encoded.strides[0],
        data=data,
    )


def to_jpeg(pixels: Pixels, stamp_ns: int, frame_id: str) -> CompressedImage:
    """Return ``(H, W, 3)`` RGB as ``image_transport`` compresses it to JPEG."""
    message = CompressedImage(
        header=to_header(stamp_ns, frame_id), format="rgb8; jpeg compressed bgr8"
    )
    message.data = array.array("B", encode_jpeg(pixels))
    return message


def to_camera_info(
    stamp_ns: int, frame_id: str, wh: tuple[int, int], intrinsics: Iterable[float]
) -> CameraInfo:
    """Return the calibration of a camera without distortion; fx, fy, cx, cy in pixels."""
    width, height = wh
    fx, fy, cx, cy = map(float, intrinsics)
    return CameraInfo(
        header=to_header(stamp_ns, frame_id),
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


# -- results -----------------------------------------------------------------------------------


def to_detections(grounding: Grounding, ids: Sequence[str]) -> Detection2DArray:
    """Return an answer's objects with the header of the frame they were seen in.

    Args:
        grounding: the answer.
        ids: track id of each detection, "" where it has none.
    """
    found = grounding.detections
    header = to_header(grounding.stamp_ns, grounding.frame_id)
    return _to_array(header, found.xyxy_px, found.labels, found.scores, ids)


def to_tracks(tracks: Tracks, rows: Sequence[int]) -> Detection2DArray:
    """Return tracks as they are at the newest frame: ``id`` set, with that frame's header.

    Args:
        tracks: the tracks, with the frame's ``frame_id``.
        rows: which of them.
    """
    header = to_header(tracks.stamp_ns, tracks.frame_id)
    ids = [str(int(tracks.ids[i])) for i in rows]
    labels = [tracks.labels[i] for i in rows]
    chosen = np.asarray(rows, dtype=np.intp)
    return _to_array(header, tracks.xyxy_px[chosen], labels, tracks.scores[chosen], ids)


def _to_array(
    header: Header,
    xyxy_px: NDArray[np.float64],
    labels: Sequence[str],
    scores: Iterable[float],
    ids: Sequence[str],
) -> Detection2DArray:
    message = Detection2DArray(header=header)
    boxes = xyxy_to_cxcywh(xyxy_px).tolist()
    for (cx, cy, width, height), label, score, id_ in zip(boxes, labels, scores, ids, strict=True):
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = label
        hypothesis.hypothesis.score = float(score)
        hypothesis.pose.pose.orientation.w = 1.0
        detection = Detection2D(header=header, results=[hypothesis], id=id_)
        detection.bbox.center.position.x, detection.bbox.center.position.y = cx, cy
        detection.bbox.size_x, detection.bbox.size_y = width, height
        message.detections.append(detection)
    return message


def to_json(document: Mapping[str, Any]) -> String:
    """Return a document as JSON text; infinite numbers and NaN are refused."""
    return String(data=json_text(document))


def to_label_info(query: Query, stamp_ns: int, threshold: float) -> LabelInfo:
    """Return the labels of the query; ``class_id`` counts from 0, in their order."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(query.labels)]
    return LabelInfo(header=to_header(stamp_ns, ""), class_map=classes, threshold=float(threshold))


def to_diagnostics(
    statuses: Iterable[Health], stamp_ns: int, node: str, hardware_id: str = ""
) -> DiagnosticArray:
    """Return the diagnostics: one status per part, named ``node: part``."""
    message = DiagnosticArray(header=to_header(stamp_ns, ""))
    for status in statuses:
        values = [
            KeyValue(key=key, value=safe_text(str(value))) for key, value in status.values.items()
        ]
        message.status.append(
            DiagnosticStatus(
                level=bytes([status.level]),
                name=f"{node}: {status.part}",
                message=safe_text(status.message),
                hardware_id=hardware_id,
                values=values,
            )
        )
    return message


# -- markers -----------------------------------------------------------------------------------


def to_markers(
    tracks: Tracks, rows: Sequence[int], intrinsics: Iterable[float], gone: Iterable[int] = ()
) -> MarkerArray:
    """Return an outline and a label for each track, 1 m in front of the camera.

    Without depth, 1 m is an arbitrary distance: seen from the camera, the outlines lie on the
    objects. Lens distortion is not corrected.

    Args:
        tracks: what to draw, in the camera's optical frame (x right, y down, z forward).
        rows: which of them; a marker's ``id`` is the track's.
        intrinsics: fx, fy, cx, cy of the camera, pixels.
        gone: ids drawn earlier that have ended.
    """
    message = MarkerArray()
    header = to_header(tracks.stamp_ns, tracks.frame_id)
    for number in gone:
        for space in ("tracks", "labels"):
            marker = Marker(header=header, ns=space, id=marker_id(number), action=Marker.DELETE)
            message.markers.append(marker)
    fx, fy, cx, cy = intrinsics
    for i in rows:
        number = int(tracks.ids[i])
        x1, y1, x2, y2 = ((tracks.xyxy_px[i] - (cx, cy, cx, cy)) / (fx, fy, fx, fy)).tolist()
        red, green, blue = (value / 255 for value in colour_of(number))
        colour = ColorRGBA(r=red, g=green, b=blue, a=1.0)
        outline = _marker(header, "tracks", number, Marker.LINE_STRIP, colour)
        outline.scale.x = 0.004
        corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1))
        outline.points = [Point(x=x, y=y, z=1.0) for x, y in corners]
        text = _marker(header, "labels", number, Marker.TEXT_VIEW_FACING, colour)
        text.text = f"{tracks.labels[i]} #{number} {tracks.scores[i]:.2f}"
        text.scale.z = 0.03
        text.pose.position = Point(x=(x1 + x2) / 2, y=y1 - 0.02, z=1.0)
        message.markers += [outline, text]
    return message


def _marker(header: Header, space: str, number: int, kind: int, colour: ColorRGBA) -> Marker:
    marker = Marker(
        header=header, ns=space, id=marker_id(number), type=kind, action=Marker.ADD, color=colour
    )
    marker.pose.orientation.w = 1.0
    return marker


def marker_id(number: int) -> int:
    """Return the id of a track as the 31 bits that a marker has for it."""
    return int(number) & 0x7FFFFFFF
