# SPDX-License-Identifier: Apache-2.0
"""Places as messages."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped, Vector3
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.places import UNKNOWN_ROTATION, PickPoint, Place, Places
from lfmvl_ros.core.spatial.rigid import quaternion
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.conversions import to_header


def to_detections_3d(places: Places, tracks: Tracks) -> Detection3DArray:
    """Return the places of tracks; ``results[].pose`` carries the covariance.

    Args:
        places: in the frame that the header names, at the stamp of the image.
        tracks: which they belong to: labels and scores.
    """
    header = to_header(places.stamp_ns, places.frame_id)
    message = Detection3DArray(header=header)
    for row, number in enumerate(tracks.ids.tolist()):
        place = places.by_id.get(number)
        if place is None:
            continue
        found = _detection(header, tracks, row, place)
        known = place.rotation_variance_rad2 < UNKNOWN_ROTATION
        found.results[0].pose.pose = to_pose(place.centre_m, place.axes if known else np.eye(3))
        turn = place.rotation_variance_rad2 * np.eye(3)
        found.results[0].pose.covariance = _covariance(place.covariance, turn)
        message.detections.append(found)
    return message


def to_pick_poses(places: Places, tracks: Tracks) -> Detection3DArray:
    """Return the pick points of tracks that have one: z of each pose is the outward normal.

    The rotation about the normal is not known: its variance is that of a uniform angle. ``bbox`` is
    the object's.
    """
    header = to_header(places.stamp_ns, places.frame_id)
    message = Detection3DArray(header=header)
    for row, number in enumerate(tracks.ids.tolist()):
        place = places.by_id.get(number)
        if place is None or place.pick is None:
            continue
        found, pick = _detection(header, tracks, row, place), place.pick
        found.results[0].pose.pose = to_pose(pick.point_m, facing(pick.normal))
        found.results[0].pose.covariance = _covariance(pick.covariance, _turn_of(pick))
        message.detections.append(found)
    return message


def to_object_frames(places: Places, tracks: Tracks) -> TFMessage:
    """Return each place as a frame ``<label>_<id>`` with the axes of its box."""
    header = to_header(places.stamp_ns, places.frame_id)
    message = TFMessage()
    labels: Mapping[int, str] = dict(zip(tracks.ids.tolist(), tracks.labels, strict=True))
    for number, place in places.by_id.items():
        name = re.sub(r"[^A-Za-z0-9]+", "_", labels[number]).strip("_")
        item = TransformStamped(
            header=header, child_frame_id=f"{name}_{number}" if name else f"object_{number}"
        )
        x, y, z = place.centre_m.tolist()
        item.transform.translation = Vector3(x=x, y=y, z=z)
        item.transform.rotation = _quaternion(place.axes)
        message.transforms.append(item)
    return message


def to_selected_poses(places: Places, selected: int) -> tuple[PoseStamped, PoseStamped | None]:
    """Return the pose of one object, and its pick pose where a normal was measured.

    Args:
        places: in the frame that the header names.
        selected: id of the object, which has a place.
    """
    place = places.by_id[selected]
    header = to_header(places.stamp_ns, places.frame_id)
    middle = PoseStamped(header=header, pose=to_pose(place.centre_m, np.eye(3)))
    if place.pick is None:
        return middle, None
    pose = to_pose(place.pick.point_m, facing(place.pick.normal))
    return middle, PoseStamped(header=header, pose=pose)


def facing(normal: FloatArray) -> FloatArray:
    """Return a rotation ``(3, 3)`` whose z axis is a unit normal ``(3,)``.

    Its x axis points as far up (along z of the target frame) as it can; for a normal along z, along
    x of the target frame.
    """
    up = np.array([0.0, 0.0, 1.0]) if abs(normal[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    x = up - (up @ normal) * normal
    x /= math.sqrt(float(x @ x))
    return np.stack([x, np.cross(normal, x), normal], axis=1)


def _turn_of(pick: PickPoint) -> FloatArray:
    along = np.outer(pick.normal, pick.normal)
    tilt = min(pick.normal_sigma_rad**2, UNKNOWN_ROTATION)
    return np.asarray(tilt * (np.eye(3) - along) + UNKNOWN_ROTATION * along)


def _detection(header: Header, tracks: Tracks, row: int, place: Place) -> Detection3D:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = tracks.labels[row]
    hypothesis.hypothesis.score = float(tracks.scores[row])
    found = Detection3D(header=header, results=[hypothesis], id=str(int(tracks.ids[row])))
    found.bbox.center = to_pose(place.centre_m, place.axes)
    length, width, height = place.size_m.tolist()
    found.bbox.size = Vector3(x=length, y=width, z=height)
    return found


def to_pose(position_m: FloatArray, axes: FloatArray) -> Pose:
    """Return a pose: position ``(3,)`` in m, orientation as a rotation ``(3, 3)``."""
    x, y, z = position_m.tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=_quaternion(axes))


def _quaternion(axes: FloatArray) -> Quaternion:
    x, y, z, w = quaternion(axes).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def _covariance(position: FloatArray, rotation: FloatArray) -> FloatArray:
    """Return the 36 values of ``geometry_msgs/PoseWithCovariance``."""
    whole = np.zeros((6, 6))
    whole[:3, :3], whole[3:, 3:] = position, rotation
    return whole.ravel()
