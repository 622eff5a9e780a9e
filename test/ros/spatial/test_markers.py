# SPDX-License-Identifier: Apache-2.0
"""Boxes for RViz: one for each object by its id, deleted when it is gone."""

from dataclasses import replace

import numpy as np
import pytest
from visualization_msgs.msg import Marker

from lfmvl_ros.core.spatial.places import PickPoint, Places, PlaceSource
from lfmvl_ros.ros.spatial.markers import to_place_markers

from .test_messages import place, tracks

PICK = PickPoint(np.array([1.0, 0.0, 0.5]), 0.001 * np.eye(3), np.array([0.0, 0.0, 1.0]), 0.1)


def by_space(message):
    return {(m.ns, m.id): m for m in message.markers}


def test_a_box_a_label_and_a_normal_for_each_object():
    coasted = replace(place(), source=PlaceSource.COASTED)
    found = by_space(to_place_markers(Places(5, "map", {4: place(PICK), 7: coasted}), tracks()))
    assert {m.header.frame_id for m in found.values()} == {"map"}
    box = found["boxes", 4]
    assert (box.type, box.action) == (Marker.CUBE, Marker.ADD)
    assert (box.scale.x, box.scale.y, box.scale.z) == (0.6, 0.4, 0.3)
    assert (box.pose.position.x, box.pose.position.z) == (1.0, 3.0)
    assert found["boxes", 7].color.a < box.color.a  # predicted
    assert box.lifetime.sec > 0  # silence takes it away
    assert "red tote/4 #4" in found["labels", 4].text
    start, end = found["normals", 4].points
    assert (end.x, end.y, end.z) == pytest.approx((1.0, 0.0, 0.5))
    assert start.z > end.z
    assert found["normals", 7].action == Marker.DELETE


def test_what_is_gone_is_deleted():
    found = by_space(to_place_markers(Places(5, "map"), tracks(), gone=[9]))
    assert set(found) == {("boxes", 9), ("labels", 9), ("normals", 9)}
    assert {m.action for m in found.values()} == {Marker.DELETE}
