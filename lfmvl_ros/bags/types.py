# SPDX-License-Identifier: Apache-2.0
"""The message types of a bag, with those that ``rosbags`` does not bring.

The fields of vision_msgs are those of release 4 (Humble to Kilted); a test compares them with
``interfaces/vision_msgs``.
"""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.errors import UserError

DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\n"
    "geometry_msgs/PoseWithCovariance pose",
    "vision_msgs/msg/Detection2D": "std_msgs/Header header\n"
    "vision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox2D bbox\nstring id",
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\n"
    "vision_msgs/Detection2D[] detections",
    "vision_msgs/msg/BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "vision_msgs/msg/Detection3D": "std_msgs/Header header\n"
    "vision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\nstring id",
    "vision_msgs/msg/Detection3DArray": "std_msgs/Header header\n"
    "vision_msgs/Detection3D[] detections",
}
"""Type -> its fields, as a .msg file has them."""


def typestore() -> Any:
    """Return the types of Jazzy and vision_msgs: a ``rosbags.typesys.store.Typestore``.

    Raises:
        UserError: rosbags is not installed.
    """
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise UserError(
            "bags are read and written with rosbags, which is not installed; install it: "
            "pip install rosbags (extra lfmvl_ros[bags])"
        ) from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, fields in DEFINITIONS.items():
        store.register(get_types_from_msg(fields, name))
    return store
