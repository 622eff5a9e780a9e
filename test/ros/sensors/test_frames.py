# SPDX-License-Identifier: Apache-2.0
"""Static transforms connect two frames the way tf2 would, or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfmvl_ros.ros.sensors.frames import StaticFrames, rotation_of_rpy

angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
HALF = np.sqrt(0.5)


@given(st.lists(angles, min_size=1, max_size=5), st.lists(angles, min_size=1, max_size=5))
def test_two_branches_of_a_tree_are_turned_against_each_other_as_their_joints_say(left, right):
    frames, world = StaticFrames(), {}
    for side, joints in (("left", left), ("right", right)):
        parent, total = "base", Rotation.identity()
        for number, rpy in enumerate(joints):
            joint, child = Rotation.from_euler("xyz", rpy), f"{side}{number}"
            frames.add(parent, child, joint.as_quat())
            parent, total = child, total * joint
            world[child] = total
    for source in ("left0", parent, "base"):
        for target in (f"left{len(left) - 1}", "right0"):
            up = world.get(source, Rotation.identity())
            wanted = (world[target].inv() * up).as_matrix()
            np.testing.assert_allclose(frames.rotation(source, target), wanted, atol=1e-9)


def test_an_imu_on_the_body_and_a_camera_that_looks_ahead():
    frames = StaticFrames()
    assert frames.rotation("imu", "optical") is None
    frames.add("base", "/imu", (0, 0, 0, 1))
    frames.add("/base", "camera", (0, 0, 0, 1))
    frames.add("camera", "optical", (-0.5, 0.5, -0.5, 0.5))  # what every camera's URDF says
    turn = frames.rotation("imu", "/optical")
    # To the left about the robot's z is to the left about the image's y, which points down.
    np.testing.assert_allclose(turn @ [0, 0, 1], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    given_ = rotation_of_rpy(-np.pi / 2, 0, -np.pi / 2).T
    np.testing.assert_allclose(turn, given_, atol=1e-12)
    frames.add("camera", "optical", (0, 0, 0, 1))  # the newest word counts
    np.testing.assert_allclose(frames.rotation("imu", "optical"), np.eye(3))
    assert len(frames) == 3


def test_what_is_not_connected_is_unknown():
    frames = StaticFrames()
    frames.add("base", "imu", (0, 0, 0, 1))
    frames.add("head", "optical", (0, 0, 0, 1))  # the neck is a joint that moves
    assert frames.rotation("imu", "optical") is None
    assert frames.rotation("", "") is None
    np.testing.assert_array_equal(frames.rotation("lens", "lens"), np.eye(3))
    frames.add("optical", "head", (0, 0, HALF, HALF))  # a circle
    assert frames.rotation("imu", "optical") is None
    assert frames.rotation("head", "optical") is None


@pytest.mark.parametrize(
    ("parent", "child", "quaternion"),
    [
        ("", "a", (0, 0, 0, 1)),
        ("a", "/a", (0, 0, 0, 1)),
        ("a", "b", (0, 0, 0, 0)),
        ("a", "b", (0, 0, float("nan"), 1)),
        ("a", "b", (1, 0, 0, 1)),
    ],
)
def test_what_is_no_transform_is_refused(parent, child, quaternion):
    frames = StaticFrames()
    with pytest.raises(ValueError, match=r"two frames|quaternion"):
        frames.add(parent, child, quaternion)
    assert len(frames) == 0


def test_frames_without_end_are_refused():
    frames = StaticFrames()
    with pytest.raises(ValueError, match="at most 256 characters"):
        frames.add("map", "x" * 300, (0, 0, 0, 1))
    for number in range(4096):
        frames.add("map", f"frame {number}", (0, 0, 0, 1))
    with pytest.raises(ValueError, match="more than 4096 frames"):
        frames.add("map", "another", (0, 0, 0, 1))
    assert len(frames) == 4096
    frames.add("odom", "frame 7", (0, 0, 0, 1))  # one that is known is replaced
