# SPDX-License-Identifier: Apache-2.0
"""Places as markers: for each object a box, its label, and the normal of its pick point."""

from __future__ import annotations

from collections.abc import Iterable

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from lfmvl_ros.core.spatial.places import Place, Places, PlaceSource
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros.conversions import marker_id, to_header
from lfmvl_ros.ros.spatial.messages import to_pose
from lfmvl_ros.viz.drawing import colour_of

_SPACES = ("boxes", "labels", "normals")
# Nothing is published when nothing is known: a viewer takes old boxes away by itself.
_LIFETIME_S = 1
_ARROW_M = 0.15


def to_place_markers(places: Places, tracks: Tracks, gone: Iterable[int] = ()) -> MarkerArray:
    """Return the markers of places; the ``id`` of each is the track's.

    Args:
        places: in the frame that the header names.
        tracks: which they belong to: labels and scores.
        gone: ids that were drawn earlier and are to be removed.
    """
    message, header = MarkerArray(), to_header(places.stamp_ns, places.frame_id)
    for number in gone:
        for space in _SPACES:
            message.markers.append(
                Marker(header=header, ns=space, id=marker_id(number), action=Marker.DELETE)
            )
    for row, number in enumerate(tracks.ids.tolist()):
        place = places.by_id.get(number)
        if place is not None:
            message.markers += _box_and_label(header, tracks, row, place)
            message.markers.append(_normal(header, number, place))
    return message


def _box_and_label(header: Header, tracks: Tracks, row: int, place: Place) -> list[Marker]:
    number = int(tracks.ids[row])
    box = _marker(header, "boxes", number, Marker.CUBE)
    box.pose = to_pose(place.centre_m, place.axes)
    box.color.a = 0.15 if place.source is PlaceSource.COASTED else 0.4
    width, height, depth = place.size_m.tolist()
    box.scale = Vector3(x=width, y=height, z=depth)
    text = _marker(header, "labels", number, Marker.TEXT_VIEW_FACING)
    text.text = f"{tracks.labels[row]} #{number} +-{place.sigma_m:.2f} m"
    text.scale.z = 0.06
    text.pose = to_pose(place.centre_m, place.axes)
    text.pose.position.z += 0.5 * height + 0.06
    return [box, text]


def _normal(header: Header, number: int, place: Place) -> Marker:
    """Return an arrow that ends at the pick point; a deletion where there is none."""
    arrow = _marker(header, "normals", number, Marker.ARROW)
    if place.pick is None:
        arrow.action = Marker.DELETE
        return arrow
    arrow.scale = Vector3(x=0.01, y=0.02, z=0.03)
    start = place.pick.point_m + _ARROW_M * place.pick.normal
    for at in (start, place.pick.point_m):
        x, y, z = at.tolist()
        arrow.points.append(Point(x=x, y=y, z=z))
    return arrow


def _marker(header: Header, space: str, number: int, kind: int) -> Marker:
    red, green, blue = (value / 255 for value in colour_of(number))
    marker = Marker(
        header=header,
        ns=space,
        id=marker_id(number),
        type=kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=1.0),
        lifetime=Duration(sec=_LIFETIME_S),
    )
    marker.pose.orientation.w = 1.0
    return marker
