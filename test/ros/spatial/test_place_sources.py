# SPDX-License-Identifier: Apache-2.0
"""Places from compressed depth, from the floor and from known sizes, over real DDS."""

import struct

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from lfmvl_ros.ros import conversions, qos

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
    for values, words in (
        ({"spatial__min_range_m": 20.0}, "below spatial.max_range_m"),
        ({"spatial__source": "floor"}, "read-only"),
        ({"spatial__sizes": ["=1x1x1"]}, "blue tote=0.6x0.4x0.3"),
        ({"spatial__sizes": ["a=1x1x1", "a=1x1x2"]}, "twice"),
        ({"spatial__sizes": ["a=1x1x0"]}, "above 0"),
    ):
        result = world.set_parameters(**values)
        assert not result.successful
        assert words in result.reason
