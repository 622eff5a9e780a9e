# SPDX-License-Identifier: Apache-2.0
"""The topics that places are published on."""

from __future__ import annotations

from geometry_msgs.msg import PoseStamped
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from lfmvl_ros.core.spatial.places import Places, PlaceSource
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.spatial import markers, messages


class PlaceOutputs:
    """The place topics of one camera. They exist from configure to cleanup.

    Args:
        node: publishes them.
        prefix: in front of each topic's name, such as ``front/``.
    """

    def __init__(self, node: LifecycleNode, prefix: str = "") -> None:
        self._node = node
        self._publishers: list[LifecyclePublisher] = []

        def publisher(kind: type, name: str) -> LifecyclePublisher:
            absolute = name.startswith("/")
            made = node.create_lifecycle_publisher(
                kind,
                name if absolute else prefix + name,
                qos.own(qos.TRANSFORMS if absolute else qos.RESULTS),
                qos_overriding_options=None if absolute else qos.overridable(),
            )
            self._publishers.append(made)
            return made

        self._tracks = publisher(Detection3DArray, "tracks_3d")
        self._picks = publisher(Detection3DArray, "pick_poses")
        self._pick = publisher(PoseStamped, "pick_pose")
        self._object = publisher(PoseStamped, "object_pose")
        self._markers = publisher(MarkerArray, "markers_3d")
        self._frames = publisher(TFMessage, "/tf")
        self._marked: set[int] = set()

    def close(self) -> None:
        """Withdraw the topics."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(
        self, places: Places, tracks: Tracks, selected: int | None, *, publish_tf: bool
    ) -> None:
        """Publish the places of an image's tracks; not to be called when none of them has one.

        An empty message means that there is no track. Tracks without a place are left out. A pose
        can't say how certain it is: that of the selected object is published only in images in
        which it was measured.
        """
        self._tracks.publish(messages.to_detections_3d(places, tracks))
        picks = messages.to_pick_poses(places, tracks)
        if picks.detections or not len(tracks):
            self._picks.publish(picks)
        if selected is not None and places.by_id[selected].source is not PlaceSource.COASTED:
            middle, pick = messages.to_selected_poses(places, selected)
            self._object.publish(middle)
            if pick is not None:
                self._pick.publish(pick)
        if self._markers.get_subscription_count():
            gone = self._marked - places.by_id.keys()
            self._markers.publish(markers.to_place_markers(places, tracks, gone))
            self._marked = set(places.by_id)
        if publish_tf and places.by_id:
            self._frames.publish(messages.to_object_frames(places, tracks))
