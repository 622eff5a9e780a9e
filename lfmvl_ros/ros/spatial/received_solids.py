# SPDX-License-Identifier: Apache-2.0
"""3D and 2D boxes of received messages, checked before the recorder uses them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import Pose
from vision_msgs.msg import Detection2DArray, Detection3DArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.ros.conversions import stamp_ns


@dataclass(frozen=True, eq=False)
class ReceivedSolid:
    """One box in three dimensions.

    Attributes:
        id: of the track or object.
        label: what it is.
        pose: of the middle of the box, in the frame of the message.
        size_m: ``(3,)`` along its axes.
        covariance: ``(3, 3)`` of the middle, m^2; zeros where the message has none.
    """

    id: str
    label: str
    pose: RigidTransform
    size_m: FloatArray
    covariance: FloatArray


def solids_from(message: Detection3DArray) -> tuple[int, str, list[ReceivedSolid]]:
    """Return stamp in ns, frame and boxes of ``tracks_3d`` or ``truth_3d``.

    Raises:
        ValueError: a number is not finite, a quaternion is not of length 1, a stamp is impossible.
    """
    found = []
    for item in message.detections:
        size = np.array([item.bbox.size.x, item.bbox.size.y, item.bbox.size.z])
        result = item.results[0] if item.results else None
        covariance = np.zeros((6, 6))
        if result is not None:
            covariance = np.array(result.pose.covariance, dtype=np.float64).reshape(6, 6)
        if not np.isfinite(size).all() or not np.isfinite(covariance).all():
            raise ValueError("a size or covariance is not finite")
        label = "" if result is None else result.hypothesis.class_id
        pose = _transform(item.bbox.center)
        found.append(ReceivedSolid(item.id, label, pose, size, covariance[:3, :3]))
    return stamp_ns(message.header.stamp), message.header.frame_id, found


def _transform(pose: Pose) -> RigidTransform:
    at, turn = pose.position, pose.orientation
    return RigidTransform.from_quaternion(
        [at.x, at.y, at.z], [turn.x, turn.y, turn.z, turn.w]
    )  # fmt: skip


def boxes_from(message: Detection2DArray) -> tuple[int, dict[str, FloatArray]]:
    """Return stamp in ns, and boxes x1, y1, x2, y2 in px by id.

    Raises:
        ValueError: a number is not finite, or the stamp is impossible.
    """
    found = {}
    for item in message.detections:
        middle, box = item.bbox.center.position, item.bbox
        half = np.array([box.size_x, box.size_y]) / 2
        centre = np.array([middle.x, middle.y])
        corners = np.concatenate([centre - half, centre + half])
        if not np.isfinite(corners).all():
            raise ValueError("a box is not finite")
        found[item.id] = corners
    return stamp_ns(message.header.stamp), found
