# SPDX-License-Identifier: Apache-2.0
"""What ``lfmvl doctor`` hears of a camera, over real DDS."""

import contextlib
import threading
import time

import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.diagnostics.topic_probe import probe

from ...waiting import until


@contextlib.contextmanager
def publishing(context, topic, kind, messages, rate_hz=20.0):
    """Publish what ``messages()`` makes, again and again."""
    node = rclpy.create_node("camera", context=context)
    publisher, stop = node.create_publisher(kind, topic, qos.SENSOR), threading.Event()

    def run():
        while not stop.wait(1 / rate_hz):
            publisher.publish(messages())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        node.destroy_node()


def image(encoding="rgb8", stamp_ns=None):
    stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
    made = conversions.to_image(np.zeros((48, 64, 3), np.uint8), stamp_ns, "lens", "rgb8")
    made.encoding = encoding
    return made


def heard(topic, seconds=0.5, least=2):
    """Probe until more than one message has come: this process may stand still meanwhile."""
    return until(lambda: found if (found := probe(topic, seconds)).received >= least else None)


def test_a_camera_that_is_well(ros):
    with publishing(ros, "/cam/image_raw", Image, image):
        found = heard("/cam/image_raw", 1.0)
    assert (found.topic, found.kind, found.publishers) == (
        "/cam/image_raw", "sensor_msgs/msg/Image", 1,
    )  # fmt: skip
    assert found.rate_hz > 0
    assert (found.encodings, found.sizes) == (("rgb8",), ((64, 48),))
    assert found.message_bytes == 64 * 48 * 3
    assert (found.problem, found.unstamped, found.backwards) == ("", 0, 0)
    assert 0 <= found.age_s < 60


def test_a_camera_with_everything_wrong(ros):
    stamps = iter(range(10**9, 0, -1))
    with publishing(ros, "/cam", Image, lambda: image("8UC4", next(stamps))):
        found = heard("/cam")
    assert "8UC4" in found.problem
    assert found.backwards == found.received - 1 > 0
    assert found.age_s > 10**8

    with publishing(ros, "/bare", Image, lambda: image(stamp_ns=0)):
        found = heard("/bare")
    assert found.unstamped == found.received > 0
    assert found.age_s is None


def test_a_damaged_compressed_image(ros):
    message = CompressedImage(format="jpeg")
    message.data.frombytes(b"\xff\xd8\xff and no more")
    with publishing(ros, "/cam/compressed", CompressedImage, lambda: message):
        found = heard("/cam/compressed")
    assert found.kind == "sensor_msgs/msg/CompressedImage"
    assert found.received > 0
    assert found.problem


@pytest.mark.parametrize("seconds", [0.1])
def test_no_camera_names_those_there_are(ros, seconds):
    with (
        publishing(ros, "/other/image", Image, image),
        publishing(ros, "/words", String, lambda: String(data="x")),
    ):
        found = until(lambda: said if (said := probe("/cam/image_raw", seconds)).others else None)
        assert (found.publishers, found.received, found.others) == (0, 0, ("/other/image",))
        words = until(lambda: said if (said := probe("/words", seconds)).kind else None)
        assert (words.kind, words.received) == ("std_msgs/msg/String", 0)
