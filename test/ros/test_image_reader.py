# SPDX-License-Identifier: Apache-2.0
"""Which topic a camera's images are taken from, as image_transport's users expect."""

import time

import cv2
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CompressedImage
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.image_reader import image_topic


@pytest.mark.parametrize(
    ("rules", "prefix", "raw", "compressed"),
    [
        ([], "", "/ns/image_raw", "/ns/image_raw/compressed"),
        ([], "front/", "/ns/front/image_raw", "/ns/front/image_raw/compressed"),
        (["image_raw:=/cam/image_raw"], "", "/cam/image_raw", "/cam/image_raw/compressed"),
        (["image_raw:=image"], "", "/ns/image", "/ns/image/compressed"),
        (
            ["front/image_raw:=/a/image_raw", "left/image_raw:=/b/image_raw"],
            "left/",
            "/b/image_raw",
            "/b/image_raw/compressed",
        ),
        (
            ["image_raw:=/cam/image_raw", "image_raw/compressed:=/other/jpeg"],
            "",
            "/cam/image_raw",
            "/other/jpeg",
        ),
        (["image_raw/compressed:=/other/jpeg"], "", "/ns/image_raw", "/other/jpeg"),
        (
            ["image_raw:=/cam/image_raw", "/cam/image_raw/compressed:=/relay"],
            "",
            "/cam/image_raw",
            "/relay",
        ),
        (
            ["image_raw:=/cam/image_raw/compressed"],  # the compressed topic's own name
            "",
            "/cam/image_raw/compressed",
            "/cam/image_raw/compressed",
        ),
        (["image_raw:=depth", "depth:=image_raw"], "", "/ns/depth", "/ns/depth/compressed"),
    ],
)
def test_remapped_topics(ros, rules, prefix, raw, compressed):
    arguments = ["--ros-args", *(word for rule in rules for word in ("-r", rule))]
    node = rclpy.create_node("node", context=ros, namespace="ns", cli_args=arguments)
    for is_compressed, expected in ((False, raw), (True, compressed)):
        name = image_topic(node, prefix, is_compressed)
        kind = CompressedImage
        subscription = node.create_subscription(kind, name, lambda _: None, 1)
        assert subscription.topic_name == expected
        node.destroy_subscription(subscription)
    node.destroy_node()


def test_a_remapped_camera_is_heard_compressed(world):
    pixels = np.zeros((48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()

    def message():
        made = CompressedImage(format="jpeg")
        made.header = conversions.to_header(time.time_ns(), "lens")
        made.data.frombytes(jpeg)
        return made

    base = f"{world.namespace}/rig/front"
    world.start(
        "perception_node",
        parameters={
            "model": str(world.recording("replies", [{"text": "[]"}])),
            "cameras": ["front"],
            "compressed_input": True,
        },
        arguments=["-r", f"front/image_raw:={base}/image_raw"],
    )
    world.wait_active()
    camera = world.camera(f"{base}/image_raw/compressed", kind=CompressedImage)
    tracks = world.listen(Detection2DArray, "front/tracks")
    camera.send_until(lambda: not tracks.empty, message)
