# SPDX-License-Identifier: Apache-2.0
"""Message classes: behaviour of rclpy's, CDR against rosbags' serializer and bytes by hand."""

import contextlib
import copy
import pickle
import random
import string
from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseWithCovariance, Quaternion
from rcl_interfaces.msg import ParameterDescriptor, ParameterValue
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Empty, Header, String
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from rosless import interfaces, messages
from rosless.finder import PACKAGES

STORE = get_typestore(Stores.ROS2_JAZZY)
NAMES = [
    f"{package}/msg/{name}"
    for package, kinds in PACKAGES.items()
    if "msg" in kinds
    for name in interfaces.names(package, "msg")
]


def _register_vision_msgs():
    """Teach rosbags our vision_msgs field lists, through its own parser."""
    for section in (interfaces._FOLDER / "vision_msgs.txt").read_text().split("=== ")[1:]:
        head, _, body = section.partition("\n")
        STORE.register(get_types_from_msg(body, f"vision_msgs/{head.strip()}"))


_register_vision_msgs()


def _random_value(rng, field):
    def one():
        if field.is_message:
            return _random_message(rng, field.base)
        if field.base == "string":
            letters = string.ascii_letters + "äöü✓"
            return "".join(rng.choices(letters, k=rng.randrange(9)))
        if field.base == "bool":
            return rng.random() < 0.5
        if field.base == "byte":
            return bytes([rng.randrange(256)])
        if field.base.startswith("float"):
            return float(np.float32(rng.uniform(-1e6, 1e6)))
        limits = np.iinfo(interfaces.PRIMITIVES[field.base])
        return rng.randint(int(limits.min), int(limits.max))

    if field.kind == "one":
        return one()
    count = field.size if field.kind == "array" else rng.randrange(min(field.size or 4, 4) + 1)
    return [one() for _ in range(count)]


def _random_message(rng, name):
    message = messages.interface_class(name)()
    for field in interfaces.definition(name).fields:
        if field.name != interfaces.PLACEHOLDER:
            setattr(message, field.name, _random_value(rng, field))
    return message


@pytest.mark.parametrize("name", NAMES)
def test_bytes_equal_those_of_rosbags(name):
    rng = random.Random(name)
    for _ in range(4):
        message = _random_message(rng, name)
        data = bytes(messages.serialize(message))
        assert messages.deserialize(data, type(message)) == message
        reference = STORE.serialize_cdr(STORE.deserialize_cdr(data, name), name)
        assert data == bytes(reference).ljust(len(data), b"\0")  # we pad to 4, rosbags does not


def test_header_bytes_by_hand():
    message = Header(stamp=Time(sec=1, nanosec=2), frame_id="cam")
    expected = "00010000 01000000 02000000 04000000 63616d00"
    assert bytes(messages.serialize(message)) == bytes.fromhex(expected)


def test_alignment_by_hand():
    # uint8 array of 1 byte: length 1, then padding up to a multiple of 8 for the double list.
    message = ParameterValue(type=3, double_value=1.0, double_array_value=[2.0])
    data = bytes(messages.serialize(message))[4:]
    assert data[0] == 3
    assert data[8:16] == bytes(8)  # integer_value at 8
    assert data[16:24] == np.float64(1.0).tobytes()
    assert data[24:32] == bytes.fromhex("0100000000000000")  # string "": length 1, NUL, padding
    # lengths of byte, bool and integer lists, each 0, then doubles: length 1 at 44, data at 48
    assert data[32:44] == bytes(12)
    assert data[44:48] == bytes.fromhex("01000000")
    assert data[48:56] == np.float64(2.0).tobytes()


def test_empty_message_has_one_byte():
    assert bytes(messages.serialize(Empty())) == bytes.fromhex("00010000 00000000")
    assert Empty.get_fields_and_field_types() == {}


@pytest.mark.parametrize(
    ("name", "digest"),
    [  # as ROS 2 Jazzy announces them
        (
            "std_msgs/msg/String",
            "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
        ),
        (
            "sensor_msgs/msg/Image",
            "d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47",
        ),
    ],
)
def test_type_hash(name, digest):
    assert interfaces.type_hash(name) == f"RIHS01_{digest}"


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_truncated_sample_is_an_error(length):
    image = Image(header=Header(frame_id="camera"), encoding="rgb8", data=bytes(30))
    data = bytes(messages.serialize(image))
    with pytest.raises(messages.CdrError):
        messages.deserialize(data[:length], Image)


def test_random_bytes_never_raise_anything_else():
    rng = random.Random(3)
    for _ in range(3000):
        data = messages.HEADER + rng.randbytes(rng.randrange(120))
        for cls in (Image, Detection2DArray, ParameterDescriptor, DiagnosticStatus):
            with contextlib.suppress(messages.CdrError):
                messages.deserialize(data, cls)


def test_defaults():
    assert Quaternion().w == 1.0
    assert ObjectHypothesisWithPose().pose.pose.orientation.w == 1.0
    assert DiagnosticStatus.ERROR == b"\x02"
    image = Image()
    assert isinstance(image.data, array)
    assert image.data.typecode == "B"
    info = CameraInfo()
    assert isinstance(info.k, np.ndarray)
    assert info.k.shape == (9,)
    assert info.d.typecode == "d"


def test_each_message_has_its_own_defaults():
    first, second = Detection2D(), Detection2D()
    first.results.append(ObjectHypothesisWithPose())
    first.header.frame_id = "x"
    assert second == Detection2D()


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (Image, "height", -1),
        (Image, "height", 2**32),
        (Image, "height", 1.0),
        (Image, "height", np.int64(3)),
        (Image, "encoding", b"rgb8"),
        (Image, "data", np.zeros(3, np.uint8)),
        (Image, "data", "abc"),
        (Image, "data", [256]),
        (Image, "data", array("b", [1])),
        (Image, "header", Time()),
        (Quaternion, "x", 1),
        (Quaternion, "x", None),
        (PoseWithCovariance, "covariance", [0.0] * 35),
        (PoseWithCovariance, "covariance", np.zeros(36, np.float32)),
        (DiagnosticStatus, "level", 2),
        (Detection2DArray, "detections", [Header()]),
        (ParameterDescriptor, "read_only", 1),
        (JointState, "name", ["a", 1]),
    ],
)
def test_wrong_values_are_refused(cls, field, value):
    with pytest.raises(AssertionError, match=field):
        setattr(cls(), field, value)
    with pytest.raises(AssertionError, match=field):
        cls(**{field: value})


def test_right_values_are_taken():
    image = Image(data=b"abc", height=True, encoding="mono8")
    assert image.data == array("B", b"abc")
    pose = PoseWithCovariance(covariance=[float(n) for n in range(36)])
    assert pose.covariance.dtype == np.float64
    assert String(data="ü") == String(data="ü")
    assert String(data="a") != String(data="b")


def test_unknown_field_is_refused():
    with pytest.raises(AssertionError, match="Invalid arguments"):
        Image(hight=3)
    with pytest.raises(AttributeError):
        Image().hight = 3


def test_fields_and_repr():
    fields = Image.get_fields_and_field_types()
    assert fields["data"] == "sequence<uint8>"
    assert fields["header"] == "std_msgs/Header"
    assert CameraInfo.get_fields_and_field_types()["k"] == "double[9]"
    text = repr(Header(frame_id="cam"))
    assert text == (
        "std_msgs.msg.Header(stamp=builtin_interfaces.msg.Time(sec=0, nanosec=0), frame_id='cam')"
    )


def test_messages_can_be_copied():
    message = Detection2D(id="7")
    message.results.append(ObjectHypothesisWithPose())
    twin = copy.deepcopy(message)
    assert twin == message
    twin.results[0].hypothesis.class_id = "box"
    assert twin != message
    assert pickle.loads(pickle.dumps(message)) == message


def test_services():
    assert SetBool.Request(data=True).data is True
    assert SetBool.Response().message == ""
    with pytest.raises(NotImplementedError):
        SetBool()
