# SPDX-License-Identifier: Apache-2.0
"""Depth, lens and transforms over real DDS: positions are right, or absent with a reason."""

import math

import numpy as np
import pytest

from .rig import BOX, NEAR_M, Rig, centre, stamp

UNKNOWN_RAD2 = math.pi**2 / 3


def start(world, **parameters):
    defaults = {"query": "red tote", "tracker__bridge": "predict", "spatial__source": "depth"}
    world.perception([BOX], **{**defaults, **parameters})
    return Rig(world)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_a_flat_object_at_a_known_distance(world, encoding):
    rig = start(world, spatial__target_frame="map")
    rig.mount()

    def step():
        rig.step(encoding=encoding)
        rig.send_tf(rig.now_ns, translation=(1.0, 2.0, 0.0))

    message = rig.place(step)
    (found,) = message.detections
    assert message.header.frame_id == found.header.frame_id == "map"
    assert stamp(message) in rig.images.sent_ns
    tracks = rig.tracks.next(lambda m: stamp(m) == stamp(message))
    assert found.id == tracks.detections[0].id
    assert found.results[0].hypothesis.class_id == "red tote"
    # x ahead: 1.0 of the robot, 0.2 of the camera, the object's front and half of its thickness.
    front_m = 1.0 + 0.2 + NEAR_M
    x, y, z = centre(found)
    assert front_m - 0.02 < x < front_m + 0.4
    assert (y, z) == pytest.approx((2.0, 1.0), abs=0.03)
    covariance = np.array(found.results[0].pose.covariance).reshape(6, 6)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.diag(covariance)[3:] == pytest.approx([UNKNOWN_RAD2] * 3)
    width_m = 64 / 250 * NEAR_M
    assert found.bbox.size.x == pytest.approx(width_m, rel=0.15)
    assert found.bbox.size.z > 0
    pick = rig.picks.next(lambda m: m.detections).detections[0]
    assert centre(pick) == pytest.approx((front_m, 2.0, 1.0), abs=0.05)
    assert pick.id == found.id
