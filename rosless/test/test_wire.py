# SPDX-License-Identifier: Apache-2.0
"""The wire against independent vectors: type hashes, bytes by hand, the binding's view."""

import hashlib
import json
import struct

import pytest
from builtin_interfaces.msg import Time
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.domain import DomainParticipant
from cyclonedds.qos import Policy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseWithCovariance
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosless import interfaces, messages
from rosless.finder import PACKAGES

STORE = get_typestore(Stores.ROS2_JAZZY)
for section in (interfaces._FOLDER / "vision_msgs.txt").read_text().split("=== ")[1:]:
    title, _, text = section.partition("\n")
    STORE.register(get_types_from_msg(text, f"vision_msgs/{title.strip()}"))
NAMES = [
    f"{package}/msg/{name}"
    for package, kinds in PACKAGES.items()
    if "msg" in kinds
    for name in interfaces.names(package, "msg")
]
NAMES += ["std_srvs/srv/SetBool_Request", "rcl_interfaces/srv/SetParameters_Response"]
HEADER = Header(stamp=Time(sec=1, nanosec=2), frame_id="cam")
HEADER_BYTES = "01000000 02000000 04000000 63616d00"


# type_description_interfaces/msg/FieldType
TYPE_IDS = {
    f"{sign}int{bits}": 2 + 2 * n + (sign == "u")
    for n, bits in enumerate((8, 16, 32, 64))
    for sign in ("", "u")
}
TYPE_IDS |= {"float32": 10, "float64": 11, "bool": 15, "byte": 16}


def _described(name, referenced):
    """A message as REP-2011 describes it; adds the messages in it to `referenced`."""
    fields = []
    for item in interfaces.definition(name).fields:
        text = 21 if item.bound else 17
        type_id = 1 if item.is_message else TYPE_IDS.get(item.base, text)
        type_id += {"one": 0, "array": 48, "sequence": 96 if item.size else 144}[item.kind]
        if item.is_message and item.base not in referenced:
            referenced[item.base] = None  # keeps the recursion from entering it again
            referenced[item.base] = _described(item.base, referenced)
        details = {
            "type_id": type_id,
            "capacity": item.size,
            "string_capacity": item.bound,
            "nested_type_name": item.base if item.is_message else "",
        }
        fields.append({"name": item.name, "type": details})
    return {"type_name": name, "fields": fields}


@pytest.mark.parametrize("name", NAMES)
def test_type_hashes_are_those_of_rep_2011(name):
    referenced = {}
    data = {"type_description": _described(name, referenced)}
    data["referenced_type_descriptions"] = [referenced[key] for key in sorted(referenced)]
    digest = hashlib.sha256(json.dumps(data).encode()).hexdigest()
    assert interfaces.type_hash(name) == f"RIHS01_{digest}"


def test_hash_of_a_char_is_that_of_ros():
    # as ROS 2 Jazzy's own std_msgs carries it
    digest = "3ad2d04dd29ba19d04b16659afa3ccaedd691914b02a64e82e252f2fa6a586a9"
    assert interfaces.type_hash("std_msgs/msg/Char") == f"RIHS01_{digest}"


def _bytes(message):
    return bytes(messages.serialize(message))[4:]


def _doubles(*values):
    return struct.pack(f"<{len(values)}d", *values).hex()


def test_detections_by_hand():
    covariance = [0.0] * 36
    covariance[0], covariance[35] = 1.5, -2.0
    result = ObjectHypothesisWithPose(pose=PoseWithCovariance(covariance=covariance))
    result.hypothesis.class_id, result.hypothesis.score = "red tote", 0.5
    detection = Detection2D(header=HEADER, results=[result], id="7")
    detection.bbox.center.position.x, detection.bbox.center.position.y = 320.0, 240.0
    detection.bbox.size_x, detection.bbox.size_y = 64.0, 48.0
    expected = (
        f"{HEADER_BYTES} 01000000"  # header of the array; one detection
        f"{HEADER_BYTES} 01000000"  # its header; one result; this ends at byte 40
        "09000000 72656420746f7465 00"  # "red tote" from 40 to 53
        "000000"  # padding to a multiple of 8
        f"{_doubles(0.5)}"
        f"{_doubles(0, 0, 0)} {_doubles(0, 0, 0, 1)}"  # position; orientation, w is 1
        f"{_doubles(1.5, *[0] * 34, -2.0)}"
        f"{_doubles(320, 240, 0, 64, 48)}"  # centre with angle; size
        "02000000 3700 0000"  # id, padded to 4 at the end
    )
    message = Detection2DArray(header=HEADER, detections=[detection])
    assert _bytes(message) == bytes.fromhex(expected)


def test_pictures_by_hand():
    image = Image(header=HEADER, height=1, width=2, encoding="rgb8", step=6, data=bytes(range(6)))
    assert _bytes(image) == bytes.fromhex(
        f"{HEADER_BYTES} 01000000 02000000"
        "05000000 7267623800"  # "rgb8" from 24 to 33
        "00 0000"  # is_bigendian; padding
        "06000000 06000000 000102030405 0000"
    )
    picture = CompressedImage(header=HEADER, format="jpeg", data=b"\xff\xd8\xff")
    assert _bytes(picture) == bytes.fromhex(
        f"{HEADER_BYTES} 05000000 6a70656700 000000 03000000 ffd8ff 00"
    )


def test_the_small_ones_by_hand():
    assert _bytes(String(data="{}")) == bytes.fromhex("03000000 7b7d00 00")
    info = LabelInfo(header=HEADER, threshold=0.5)
    info.class_map = [VisionClass(class_id=1, class_name="a"), VisionClass(class_id=2)]
    assert _bytes(info) == bytes.fromhex(
        f"{HEADER_BYTES} 02000000"
        "0100 0000 02000000 6100"  # 16-bit number, padding, name; this ends at byte 30
        "0200 01000000 00"  # the number stands at 30, the length at 32
        "000000 0000003f"
    )
    status = DiagnosticStatus(level=DiagnosticStatus.WARN, name="n", message="", hardware_id="h")
    status.values = [KeyValue(key="k", value="v")]
    assert _bytes(DiagnosticArray(header=HEADER, status=[status])) == bytes.fromhex(
        f"{HEADER_BYTES} 01000000"
        "01 000000 02000000 6e00 0000 01000000 00 000000 02000000 6800 0000"
        "01000000 02000000 6b00 0000 02000000 7600 0000"
    )


@pytest.fixture
def stranger(ros, domain):
    """A participant of the binding's own, in this process."""
    return DomainParticipant(domain)


def test_what_topic_info_shows(stranger, spin_until):
    """Node, type, type hash and QoS of an endpoint, as any DDS participant sees them."""
    node = Node("talker", namespace="/hall")
    profile = QoSProfile(depth=3, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(Image, "image", profile)
    reader, found = BuiltinDataReader(stranger, BuiltinTopicDcpsPublication), []

    def seen():
        found[:] = [e for e in reader.read(1000) if e.topic_name == "rt/hall/image"]
        return found

    assert spin_until(seen, node)
    (endpoint,) = found
    assert endpoint.type_name == "sensor_msgs::msg::dds_::Image_"
    user_data = bytes(endpoint.qos[Policy.Userdata].data).decode()
    assert user_data == f"typehash={STORE.hash_rihs01('sensor_msgs/msg/Image')};"
    assert endpoint.qos[Policy.Reliability] == Policy.Reliability.BestEffort
    assert endpoint.qos[Policy.Durability] == Policy.Durability.Volatile
    assert endpoint.key == publisher._writer.guid


def test_discovery_info_names_node_and_endpoints(stranger, spin_until):
    """`ros_discovery_info`, read by rosbags: which node an endpoint belongs to."""
    node, watcher, taken = Node("talker", namespace="/hall"), Node("watcher"), []
    publisher = node.create_publisher(String, "x", 10)
    subscription = node.create_subscription(String, "y", print, 10)
    from rclpy.qos import DurabilityPolicy
    from rosless import dds

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    kind = "rmw_dds_common/msg/ParticipantEntitiesInfo"
    reader = dds.Reader(node.context._participant, "ros_discovery_info", kind, latched)

    def came():
        sample = reader.take()
        taken.extend([] if sample is None else [bytes(sample[0])])
        return taken

    assert spin_until(came, watcher)
    info = STORE.deserialize_cdr(taken[-1], kind)
    assert bytes(info.gid.data) == node.context._participant.entity.guid.bytes
    by_name = {(n.node_namespace, n.node_name): n for n in info.node_entities_info_seq}
    assert set(by_name) == {("/hall", "talker"), ("/", "watcher")}
    talker = by_name["/hall", "talker"]
    writers = {bytes(gid.data) for gid in talker.writer_gid_seq}
    readers = {bytes(gid.data) for gid in talker.reader_gid_seq}
    assert publisher._writer.guid.bytes in writers
    assert subscription._reader.guid.bytes in readers
    assert not writers & readers
