# SPDX-License-Identifier: Apache-2.0
"""The message packages that this environment has are ROS's own, type hash for type hash."""

import pytest
import rclpy
from rclpy.context import Context
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

HASHES = [  # as an installed ROS 2 announces them
    (TFMessage, "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"),
    (Detection2DArray, "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"),
]


@pytest.mark.parametrize(("kind", "digest"), HASHES, ids=[kind.__name__ for kind, _ in HASHES])
def test_a_topic_announces_the_type_hash_of_ros(kind, digest, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        node = rclpy.create_node("hashes", context=context)
        publisher = node.create_publisher(kind, "topic", 1)
        (endpoint,) = node.get_publishers_info_by_topic(publisher.topic_name)
        assert str(endpoint.topic_type_hash) == f"RIHS01_{digest}"
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
