# SPDX-License-Identifier: Apache-2.0
"""Places -> ``tracks_3d`` of a bag, as the node publishes them (``ros/spatial/messages.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lfmvl_ros.bags.messages import Messages
from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.places import UNKNOWN_ROTATION, Places
from lfmvl_ros.core.spatial.rigid import quaternion
from lfmvl_ros.core.tracking import Tracks

DETECTIONS_3D = "vision_msgs/msg/Detection3DArray"


def tracks_3d(store: Any, places: Places, tracks: Tracks) -> Any:
    """Return the places of tracks; ``results[].pose`` carries the covariance.

    Args:
        store: of the message types.
        places: in the frame that the header names, at the stamp of the image.
        tracks: which they belong to: labels and scores.
    """
    types = store.types
    header = Messages(store).header(places.stamp_ns, places.frame_id)

    def pose(position_m: FloatArray, axes: FloatArray) -> Any:
        (x, y, z), turn = position_m.tolist(), quaternion(axes).tolist()
        return types["geometry_msgs/msg/Pose"](
            position=types["geometry_msgs/msg/Point"](x=x, y=y, z=z),
            orientation=types["geometry_msgs/msg/Quaternion"](
                **dict(zip("xyzw", turn, strict=True))
            ),
        )

    found = []
    for row, number in enumerate(tracks.ids.tolist()):
        place = places.by_id.get(number)
        if place is None:
            continue
        known = place.rotation_variance_rad2 < UNKNOWN_ROTATION
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = place.covariance
        covariance[3:, 3:] = place.rotation_variance_rad2 * np.eye(3)
        hypothesis = types["vision_msgs/msg/ObjectHypothesisWithPose"](
            hypothesis=types["vision_msgs/msg/ObjectHypothesis"](
                class_id=tracks.labels[row], score=float(tracks.scores[row])
            ),
            pose=types["geometry_msgs/msg/PoseWithCovariance"](
                pose=pose(place.centre_m, place.axes if known else np.eye(3)),
                covariance=covariance.ravel(),
            ),
        )
        length, width, height = place.size_m.tolist()
        box = types["vision_msgs/msg/BoundingBox3D"](
            center=pose(place.centre_m, place.axes),
            size=types["geometry_msgs/msg/Vector3"](x=length, y=width, z=height),
        )
        found.append(types["vision_msgs/msg/Detection3D"](
            header=header, results=[hypothesis], bbox=box, id=str(number)
        ))  # fmt: skip
    return types[DETECTIONS_3D](header=header, detections=found)
