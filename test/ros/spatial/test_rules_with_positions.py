# SPDX-License-Identifier: Apache-2.0
"""Rules get the node's own positions and pick points, whatever its topics are called."""

import json

import numpy as np
import pytest
from std_msgs.msg import String
from vision_msgs.msg import Detection3DArray

from lfmvl_ros.core.spatial.places import Place, Places
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.ros import qos
from lfmvl_ros.ros.spatial import messages

from ..test_rules_over_ros import of
from .rig import BOX, WH, Rig, newest
from .test_places_over_ros import start

RULES = """
zones:
  dock: {frame: map, metres: [[2.4, 1.5], [3.4, 1.5], [3.4, 2.5], [2.4, 2.5]]}
  yard: {frame: map, metres: [[20, 20], [30, 20], [30, 30], [20, 30]]}
rules:
  docked: {when: enter, label: red tote, zone: dock}
  away: {when: enter, label: red tote, zone: yard}
"""


def elsewhere(track, stamp_ns):
    """Return a message that says of a track that it is in the yard."""
    tracks = Tracks(
        stamp_ns,
        np.array([track]),
        ("red tote",),
        np.ones(1),
        np.array([[128.0, 90.0, 192.0, 150.0]]),
        np.zeros((1, 2)),
        np.eye(4)[None],
        (TrackState.CONFIRMED,),
        np.zeros(1),
        wh=WH,
    )
    centre = np.array([25.0, 25.0, 0.5])
    tight = 1e-4 * np.eye(3)
    place = Place(centre, tight, centre, tight, np.full(3, 0.3))
    return messages.to_detections_3d(Places(stamp_ns, "map", {track: place}), tracks)


@pytest.mark.parametrize("topic", ["tracks_3d", "/cell_4/places"])
def test_a_zone_in_metres_takes_the_positions_of_the_node_alone(world, topic):
    path = world.folder / "rules.yaml"
    path.write_text(RULES)
    remapped = [] if topic == "tracks_3d" else ["-r", f"tracks_3d:={topic}"]
    world.perception(
        [BOX],
        arguments=remapped,
        query="red tote",
        rules_file=str(path),
        tracker__bridge="predict",
        spatial__source="depth",
        spatial__target_frame="map",
    )
    rig = Rig(world)
    rig.places = world.listen(Detection3DArray, topic)
    events = world.listen(String, "events")
    stranger = world.node.create_publisher(Detection3DArray, topic, qos.RESULTS)
    rig.mount()

    def step():
        rig.step()
        rig.send_tf(rig.now_ns, translation=(1.0, 2.0, 0.0))
        stranger.publish(elsewhere(1, rig.now_ns))

    def begun():
        return newest(events, lambda m: json.loads(m.data)["state"] == "begin")

    event = json.loads(rig.until(begun, step).data)
    assert event["rule"] == "docked"
    assert event["tracks"][0]["label"] == "red tote"
    for _ in range(20):
        step()
    assert begun() is None  # what somebody else publishes moves no track into the yard


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


def test_an_event_begins_when_the_selected_object_can_be_picked(world):
    path = world.folder / "rules.yaml"
    path.write_text(READY)
    rig = start(world, rules_file=str(path), spatial__select="label:blue tote")
    events = world.listen(String, "events")
    for _ in range(20):  # a blue tote is selected, a red one is there
        rig.step()
    assert events.empty
    assert world.set_parameters(spatial__select="label:red tote").successful

    def begun():
        rig.step()
        return None if events.empty else events.next_json(of("ready", "begin"))

    event = rig.until(begun, lambda: None)
    assert [track["label"] for track in event["tracks"]] == ["red tote"]
    assert event["position_frame"] == "lens"
