# SPDX-License-Identifier: Apache-2.0
"""What a simulated camera publishes besides images: depth, transforms, and the truth."""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, TransformStamped, Vector3
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    ObjectHypothesisWithPose,
)

from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.conversions import to_header
from lfmvl_ros.ros.sensors.camera_view import CameraView, TrueObject


class ViewOutputs:
    """The topics of one simulated camera.

    Args:
        node: publishes them.
        frame_id: of the camera.
        world: frame that poses are in.
    """

    def __init__(self, node: Node, frame_id: str, world: str) -> None:
        self._frame_id, self._world = frame_id, world
        self._depth = node.create_publisher(
            Image, "depth/image", qos.SENSOR, qos_overriding_options=qos.overridable()
        )
        self._infos = node.create_publisher(CameraInfo, "depth/camera_info", qos.SENSOR)
        self._tf = node.create_publisher(TFMessage, "/tf", qos.TRANSFORMS)
        self._truth = node.create_publisher(Detection2DArray, "truth", qos.RESULTS)
        self._truth_3d = node.create_publisher(Detection3DArray, "truth_3d", qos.RESULTS)

    @property
    def depth_is_wanted(self) -> bool:
        """Whether anybody subscribes to depth images."""
        return bool(self._depth.get_subscription_count())

    def publish(self, view: CameraView, stamp_ns: int, info: CameraInfo) -> None:
        """Publish what belongs to an image; the truth with depth images.

        Args:
            view: of the image.
            stamp_ns: of the image.
            info: of the image: depth is registered to it.
        """
        self._tf.publish(_to_transform(view.pose, stamp_ns, self._world, self._frame_id))
        if view.depth_mm is None:
            return
        self._depth.publish(_to_depth(view.depth_mm, info.header))
        self._infos.publish(info)
        if self._truth.get_subscription_count():
            self._truth.publish(_to_boxes(view.truth, info.header))
        if self._truth_3d.get_subscription_count():
            header = to_header(stamp_ns, self._world)
            self._truth_3d.publish(_to_solids(view.truth, header))


def _to_transform(pose: RigidTransform, stamp_ns: int, parent: str, child: str) -> TFMessage:
    made = TransformStamped(header=to_header(stamp_ns, parent), child_frame_id=child)
    x, y, z = pose.translation_m.tolist()
    made.transform.translation = Vector3(x=x, y=y, z=z)
    qx, qy, qz, qw = pose.quaternion.tolist()
    made.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
    return TFMessage(transforms=[made])


def _to_depth(depth_mm: NDArray[np.uint16], header: Header) -> Image:
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(depth_mm).view(np.uint8).data)
    return Image(
        header=header,
        height=depth_mm.shape[0],
        width=depth_mm.shape[1],
        encoding="16UC1",
        is_bigendian=0,
        step=2 * depth_mm.shape[1],
        data=data,
    )


def _hypothesis(item: TrueObject) -> ObjectHypothesisWithPose:
    made = ObjectHypothesisWithPose()
    made.hypothesis.class_id, made.hypothesis.score = item.label, float(item.visibility)
    made.pose.pose.orientation.w = 1.0
    return made


def _to_boxes(truth: Sequence[TrueObject], header: Header) -> Detection2DArray:
    """Return the visible boxes; the score is the visibility, the id that of the object."""
    message = Detection2DArray(header=header)
    for item in truth:
        if not item.visibility:
            continue
        x1, y1, x2, y2 = item.xyxy_px.tolist()
        box = BoundingBox2D(size_x=x2 - x1, size_y=y2 - y1)
        box.center.position.x, box.center.position.y = (x1 + x2) / 2, (y1 + y2) / 2
        found = Detection2D(header=header, results=[_hypothesis(item)], bbox=box, id=str(item.id))
        message.detections.append(found)
    return message


def _to_solids(truth: Sequence[TrueObject], header: Header) -> Detection3DArray:
    """Return the boxes in the world, with the ids of the boxes in the image."""
    message = Detection3DArray(header=header)
    for item in truth:
        if not item.visibility:
            continue
        x, y, z = item.centre_m.tolist()
        qx, qy, qz, qw = item.xyzw
        found = Detection3D(header=header, results=[_hypothesis(item)], id=str(item.id))
        found.bbox.center = Pose(
            position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        )
        found.results[0].pose.pose = found.bbox.center
        width, length, height = item.size_m.tolist()
        found.bbox.size = Vector3(x=width, y=length, z=height)
        message.detections.append(found)
    return message
