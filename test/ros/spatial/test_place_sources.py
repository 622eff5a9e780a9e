# SPDX-License-Identifier: Apache-2.0
"""Places from compressed depth, from the floor and from known sizes, over real DDS."""

import json
import struct
import time

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from lfmvl_ros.ros import conversions, qos

from ...schemas import check
from ..conftest import values
from .rig import LENS, NEAR_M, centre, newest, scene, stamp
from .test_places_over_ros import start


def test_compressed_depth_and_frames_of_objects(world):
    rig = start(world, spatial__compressed_depth=True, spatial__publish_tf=True)
    depths = world.node.create_publisher(CompressedImage, "depth/image/compressedDepth", qos.SENSOR)
    frames = world.listen(TFMessage, "/tf", qos.TRANSFORMS)
    _, png = cv2.imencode(".png", (scene() * 1000).astype(np.uint16))

    def step():
        rig.step(depth=False)
        depths.publish(
            CompressedImage(
                header=conversions.to_header(rig.now_ns, "lens"),
                format="16UC1; compressedDepth png",
                data=struct.pack("<iff", 0, 0.0, 0.0) + png.tobytes(),
            )
        )

    (found,) = rig.place(step).detections
    assert NEAR_M - 0.02 < centre(found)[2] < NEAR_M + 0.4
    (frame,) = rig.until(lambda: newest(frames, lambda m: m.transforms), step).transforms
    assert frame.child_frame_id == f"red_tote_{found.id}"
    assert frame.header.frame_id == "lens"
    assert frame.transform.translation.z == pytest.approx(centre(found)[2], abs=0.1)


def test_one_object_as_a_pose_and_every_place_as_json(world):
    """What consumers of one pose get, what RViz draws, and the same numbers in all documents."""
    rig = start(world)
    poses = {name: world.listen(PoseStamped, name) for name in ("pick_pose", "object_pose")}
    markers = world.listen(MarkerArray, "markers_3d")
    states = world.listen(String, "track_states")
    (found,) = rig.place().detections
    place = rig.until(lambda: newest_place(states), rig.step)
    assert place["frame_id"] == "lens"
    assert place["source"] == "depth"
    assert place["position"] == pytest.approx(centre(found), abs=0.05)
    assert place["velocity"] == [0.0, 0.0, 0.0]
    assert np.linalg.eigvalsh(place["covariance"]).min() > 0
    assert place["pick"]["point"][2] == pytest.approx(NEAR_M, abs=0.02)
    assert place["pick"]["normal"] == pytest.approx([0, 0, -1], abs=0.1)
    pick, middle = (
        rig.until(lambda inbox=inbox: newest(inbox, bool), rig.step) for inbox in poses.values()
    )
    assert pick.header.frame_id == middle.header.frame_id == "lens"
    assert stamp(pick) in rig.images.sent_ns
    assert pick.pose.position.z == pytest.approx(NEAR_M, abs=0.02)
    assert NEAR_M < middle.pose.position.z < NEAR_M + 0.4
    boxes = rig.until(lambda: newest(markers, lambda m: m.markers), rig.step).markers
    assert {(m.ns, m.id) for m in boxes} >= {("boxes", int(found.id)), ("labels", int(found.id))}
    assert values(rig.counted("published", rig.step))["selected"] == found.id

    def answered():
        """Ask about the newest frame; the object, where the answer was taken for its track."""
        check(document := json.loads(world.call(Trigger, "ground_once").message))
        (item,) = document["objects"]
        return item if item.get("place", {}).get("source") == "depth" else None

    item = rig.until(answered, rig.step)
    assert item["id"] == found.id
    assert item["place"]["position"] == pytest.approx(place["position"], abs=0.1)

    # Of another label nothing is selected, and of a coasting object no pose is published.
    assert world.set_parameters(spatial__select="label:person").successful
    rig.until(lambda: values(rig.counted("published", rig.step))["selected"] == "", rig.step)
    again_ns = rig.now_ns
    assert world.set_parameters(spatial__select=f"id:{found.id}").successful
    rig.until(lambda: newest(poses["pick_pose"], lambda m: stamp(m) > again_ns), rig.step)
    coasted, measured_ns = int(rig.values(rig.step)["coasted"]), rig.now_ns
    rig.counted("coasted", lambda: rig.step(depth=False), times=coasted + 3)
    for _ in range(10):
        rig.step(depth=False)
    assert all(inbox.is_silent(0.0, since_ns=measured_ns + 1) for inbox in poses.values())


def newest_place(states):
    """Return the place in the newest ``track_states`` that has one, or None."""
    found = None
    while not states.empty:
        check(document := json.loads(states.next().data))
        found = next((track["place"] for track in document["tracks"] if "place" in track), found)
    return found


def test_where_a_box_meets_the_floor(world):
    rig = start(world, spatial__source="floor")
    rig.established(lambda: rig.step(depth=False))

    def step():
        rig.step(depth=False)
        rig.send_tf(rig.now_ns)

    rig.mount(translation=(0.2, 0.0, 0.3))
    rig.until(
        lambda: "needs spatial.target_frame" in rig.counted("images.no_transform", step).message,
        step,
    )
    assert rig.places.empty
    assert world.set_parameters(spatial__target_frame="map").successful
    (found,) = rig.place(step).detections
    # The box ends 30 px below the optical axis of a camera 0.3 m above the floor.
    front_m = 0.2 + 0.3 * LENS.fx_px / 30
    assert front_m - 0.1 < centre(found)[0] < front_m + 0.5  # and half of the object's depth
    assert found.results[0].pose.covariance[0] > 0
    assert rig.picks.empty
    assert world.node.count_subscribers("depth/image") == 0


def test_a_known_size(world):
    rig = start(world, spatial__source="size")
    rig.established(lambda: rig.step(depth=False))

    def step():
        rig.step(depth=False)

    rig.counted("refused.unknown_size", step)
    assert rig.places.empty
    refused = world.set_parameters(spatial__sizes=["red tote=0.6x0.4"])
    assert not refused.successful
    assert "red tote=0.6x0.4" in refused.reason
    assert world.set_parameters(spatial__sizes=["red tote=0.5x0.5x0.4"]).successful
    message = rig.place(step)
    assert stamp(message) in rig.images.sent_ns
    # 0.4 m fill 60 px of a lens of 250 px.
    assert centre(message.detections[0])[2] == pytest.approx(0.4 * 250 / 60, rel=0.25)


def test_settings_that_can_not_be(world):
    start(world)
    for changes, words in (
        ({"spatial__min_range_m": 20.0}, "below spatial.max_range_m"),
        ({"spatial__source": "floor"}, "read-only"),
        ({"spatial__select": "red tote"}, "label:red tote"),
        ({"spatial__sizes": ["=1x1x1"]}, "blue tote=0.6x0.4x0.3"),
        ({"spatial__sizes": ["a=1x1x1", "a=1x1x2"]}, "twice"),
        ({"spatial__sizes": ["a=1x1x0"]}, "0.001 to 1000 m"),
    ):
        result = world.set_parameters(**changes)
        assert not result.successful
        assert words in result.reason


def test_places_follow_the_life_cycle(world):
    rig = start(world, spatial__target_frame="map")
    rig.mount()

    def step():
        rig.step()
        rig.send_tf(rig.now_ns)

    def wait():  # others hear of it a little later
        time.sleep(0.05)

    rig.place(step)
    assert world.change_state("deactivate")
    rig.until(lambda: world.node.count_subscribers("depth/image") == 0, wait)
    rig.step()
    assert rig.places.is_silent(0.5, since_ns=rig.now_ns)
    assert world.change_state("activate")
    assert rig.place(step).header.frame_id == "map"
    assert int(rig.values(step)["published"]) > 0
    assert world.change_state("deactivate")
    assert world.change_state("cleanup")
    rig.until(lambda: world.node.count_publishers("tracks_3d") == 0, wait)
    assert world.change_state("configure")
    assert world.change_state("activate")
    rig.place(step)
    code = world.end(world.processes[0])
    assert code == 0, world.log()
    assert "Traceback" not in world.log()
