# SPDX-License-Identifier: Apache-2.0
"""Places as messages: ids, extents, covariance, pick poses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.spatial.places import PickPoint, Place, Places
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.ros.spatial import messages

TURN_RAD2 = math.pi**2 / 3
UNIT = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: sum(x * x for x in v) > 0.01)


def tracks(ids=(4, 7)):
    n = len(ids)
    return Tracks(
        5_000_000_001,
        np.array(ids, np.int64),
        tuple(f"red tote/{i}" for i in ids),
        np.full(n, 0.5),
        np.tile([10.0, 10.0, 20.0, 20.0], (n, 1)),
        np.zeros((n, 2)),
        np.tile(np.eye(4), (n, 1, 1)),
        (TrackState.CONFIRMED,) * n,
        np.ones(n),
        wh=(64, 48),
    )


def place(pick=None, **options):
    wall = np.array([1.0, 2.0, 3.0])
    small = np.diag([0.01, 0.02, 0.03])
    return Place(wall, small, wall, small, np.array([0.6, 0.4, 0.3]), pick=pick, **options)


def covariance(detection):
    return np.array(detection.results[0].pose.covariance).reshape(6, 6)


def rotation(pose):
    q = pose.orientation
    return Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()


def test_tracks_without_a_place_are_left_out():
    axes = Rotation.from_euler("z", 0.3).as_matrix()
    places = Places(5_000_000_001, "map", {7: place(axes=axes)})
    message = messages.to_detections_3d(places, tracks())
    (found,) = message.detections
    assert (found.id, found.results[0].hypothesis.class_id) == ("7", "red tote/7")
    assert message.header == found.header
    assert (message.header.frame_id, message.header.stamp.nanosec) == ("map", 1)
    assert (found.bbox.size.x, found.bbox.size.y, found.bbox.size.z) == (0.6, 0.4, 0.3)
    assert rotation(found.bbox.center) == pytest.approx(axes)
    # The object's own rotation is unknown: identity, with the variance of a uniform angle.
    assert rotation(found.results[0].pose.pose) == pytest.approx(np.eye(3))
    assert np.diag(covariance(found)) == pytest.approx([0.01, 0.02, 0.03] + 3 * [TURN_RAD2])
    known = Places(5, "map", {7: place(axes=axes, rotation_variance_rad2=0.1)})
    (found,) = messages.to_detections_3d(known, tracks()).detections
    assert rotation(found.results[0].pose.pose) == pytest.approx(axes)
    assert messages.to_pick_poses(places, tracks()).detections == []


@given(UNIT, st.floats(0.001, 3.0))
def test_z_of_a_pick_pose_is_the_normal_and_only_it_is_known(direction, sigma_rad):
    normal = np.array(direction) / np.linalg.norm(direction)
    pick = PickPoint(np.array([1.0, 0.0, 0.0]), 0.001 * np.eye(3), normal, sigma_rad)
    (found,) = messages.to_pick_poses(Places(5, "map", {4: place(pick)}), tracks()).detections
    axes = rotation(found.results[0].pose.pose)
    assert axes[:, 2] == pytest.approx(normal, abs=1e-6)
    assert np.linalg.det(axes) == pytest.approx(1)
    turn = covariance(found)[3:, 3:]
    assert normal @ turn @ normal == pytest.approx(TURN_RAD2)
    tilt_rad2 = min(sigma_rad**2, TURN_RAD2)
    assert axes[:, 0] @ turn @ axes[:, 0] == pytest.approx(tilt_rad2, rel=1e-6, abs=1e-9)
    assert found.results[0].pose.pose.position.x == 1.0
    assert found.bbox.center.position.x == 1.0
    assert found.bbox.center.position.z == 3.0


def test_frames_of_objects_have_names_that_tf_takes():
    places = Places(5, "map", {4: place(), 7: place()})
    message = messages.to_object_frames(places, tracks())
    assert [item.child_frame_id for item in message.transforms] == ["red_tote_4_4", "red_tote_7_7"]
    assert {item.header.frame_id for item in message.transforms} == {"map"}
    assert message.transforms[0].transform.translation.z == 3.0
