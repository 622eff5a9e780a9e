# SPDX-License-Identifier: Apache-2.0
"""What rules get of positions: those of the topics, and over them in the node."""

import numpy as np
import pytest
from std_msgs.msg import String

from lfmvl_ros.core.rules import Positions
from lfmvl_ros.core.spatial.places import PickPoint, Places
from lfmvl_ros.ros.received_positions import to_pick_sigmas, to_positions
from lfmvl_ros.ros.spatial import messages

from ..test_rules_over_ros import of
from .test_messages import place, tracks
from .test_places_over_ros import start

READY = """
zones:
  reach: {frame: lens, metres: [[-1, -1], [1, -1], [1, 1], [-1, 1]]}
rules:
  ready:
    when: enter
    label: [red tote, blue tote]
    selected: true
    zone: reach
    where: pick_sigma_m < 0.2 and normal_sigma_deg < 20
"""


def test_messages_say_what_places_say():
    normal = np.array([0.6, 0.0, 0.8])
    pick = PickPoint(np.zeros(3), np.diag([1e-4, 4e-4, 1e-4]), normal, 0.1)
    places = Places(5_000_000_001, "map", {4: place(pick), 7: place()})
    expected = Positions.of(places)
    found = to_positions(messages.to_detections_3d(places, tracks()))
    assert (found.stamp_ns, found.frame_id) == (expected.stamp_ns, expected.frame_id)
    assert found.by_id.keys() == expected.by_id.keys() == {4, 7}
    for key, (centre, covariance) in expected.by_id.items():
        assert found.by_id[key][0] == pytest.approx(centre)
        assert found.by_id[key][1] == pytest.approx(covariance)
    sigmas = to_pick_sigmas(messages.to_pick_poses(places, tracks()))
    assert sigmas == {4: pytest.approx(expected.picks[4])}


def test_what_has_no_track_id_is_left_out():
    message = messages.to_detections_3d(Places(5, "map", {4: place()}), tracks())
    message.detections[0].id = "tote_4"
    assert to_positions(message).by_id == {}


def test_an_event_when_what_is_selected_can_be_picked(world):
    path = world.folder / "rules.yaml"
    path.write_text(READY)
    rig = start(world, rules_file=str(path), spatial__select="label:blue tote")
    events = world.listen(String, "events")
    for _ in range(20):  # the blue tote is asked for, a red one is there
        rig.step()
    assert events.empty
    assert world.set_parameters(spatial__select="label:red tote").successful

    def begun():
        rig.step()
        return None if events.empty else events.next_json(of("ready", "begin"))

    event = rig.until(begun, lambda: None)
    assert [track["label"] for track in event["tracks"]] == ["red tote"]
    assert event["position_frame"] == "lens"
