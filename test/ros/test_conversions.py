# SPDX-License-Identifier: Apache-2.0
"""Message fields, read and filled, with the types real setters check."""

import array
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.diagnostics.health import WARN, Health
from lfmvl_ros.ros.sensors.lens import to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError

STAMP_NS = 1_700_000_000_123_456_789
RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def image(data, encoding="rgb8", step=18, wh=(6, 4), big_endian=0):
    message = Image(encoding=encoding, step=step, width=wh[0], height=wh[1])
    message.is_bigendian = big_endian
    message.header = conversions.to_header(STAMP_NS, "lens")
    message.data = array.array("B", data)
    return message


def grounding(n=2):
    boxes = np.array([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 5.0, 8.0]])[:n]
    found = Detections(
        boxes, ("tote", "Person")[:n], np.array([0.9, 0.25])[:n], np.full((n, 4), 2.0)
    )
    query = Query.parse("tote, person")
    return Grounding(
        Outcome.OK if n else Outcome.EMPTY,
        found,
        STAMP_NS,
        "lens",
        "",
        (640, 480),
        query,
        Reply(""),
    )


def tracks():
    return Tracks(
        stamp_ns=STAMP_NS,
        ids=np.array([3, 2**31 + 5]),
        labels=("tote", "person"),
        scores=np.array([0.9, 0.25]),
        xyxy_px=np.array([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 5.0, 8.0]]),
        velocity_px_s=np.zeros((2, 2)),
        covariance=np.tile(np.eye(4), (2, 1, 1)),
        state=(TrackState.CONFIRMED, TrackState.COASTING),
        age_s=np.array([1.0, 2.0]),
        frame_id="lens",
        wh=(640, 480),
    )


@pytest.mark.parametrize("ns", [0, 1, 10**9 - 1, 10**9, STAMP_NS])
def test_stamps_are_exact_both_ways(ns):
    stamp = conversions.to_stamp(ns)
    assert (stamp.sec, stamp.nanosec) == (ns // 10**9, ns % 10**9)
    assert conversions.stamp_ns(stamp) == ns


def test_a_negative_time_is_refused():
    with pytest.raises(ConversionError, match="negative time"):
        conversions.stamp_ns(Time(sec=-1))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_images_there_and_back(encoding):
    message = conversions.to_image(RGB, STAMP_NS, "lens", encoding)
    assert (message.width, message.height, message.step) == (6, 4, 18)
    assert isinstance(message.data, array.array)
    frame = conversions.frame_from_image(message, camera="left")
    assert np.array_equal(frame.pixels, RGB)
    assert (frame.stamp_ns, frame.frame_id, frame.camera) == (STAMP_NS, "lens", "left")


def test_mono_image_and_a_view_that_is_not_contiguous():
    message = conversions.to_image(np.ascontiguousarray(RGB[:, ::2]), 0, "", "mono8")
    assert (message.width, message.step, len(message.data)) == (3, 3, 12)


def test_padded_and_big_endian_messages():
    rows = b"".join(row.tobytes() + b"\xff\xff" for row in RGB)
    frame = conversions.frame_from_image(image(rows, step=20))
    assert np.array_equal(frame.pixels, RGB)
    wide = (RGB.astype(">u2") * 257).tobytes()
    frame = conversions.frame_from_image(image(wide, "rgb16", 36, big_endian=1))
    assert np.array_equal(frame.pixels, RGB)


def test_broken_messages():
    with pytest.raises(ConversionError, match=r"step\*height needs 72"):
        conversions.frame_from_image(image(bytes(71)))
    with pytest.raises(ConversionError, match="zero size"):
        conversions.frame_from_image(image(b"", wh=(0, 0), step=0))
    with pytest.raises(ConversionError, match="supported: rgb8"):
        conversions.frame_from_image(image(bytes(72), "8UC4"))


def test_zero_stamp_becomes_the_time_of_receipt():
    message = image(RGB.tobytes())
    assert conversions.has_stamp(message)
    assert conversions.frame_from_image(message, receipt_ns=7).stamp_ns == STAMP_NS
    message.header.stamp = Time()
    assert not conversions.has_stamp(message)
    assert conversions.frame_from_image(message, receipt_ns=7).stamp_ns == 7


@pytest.mark.parametrize("broken", [Time(sec=-1), Time(sec=5, nanosec=10**9)])
def test_stamps_that_no_clock_gives_are_refused(broken):
    message = image(RGB.tobytes())
    message.header.stamp = broken
    with pytest.raises(ConversionError, match="the stamp has"):
        conversions.frame_from_image(message)


def test_compressed_messages():
    data = cv2.imencode(".png", RGB[..., ::-1])[1].tobytes()
    message = CompressedImage(format="rgb8; png compressed bgr8", data=array.array("B", data))
    message.header.stamp = conversions.to_stamp(STAMP_NS)
    frame = conversions.frame_from_image(message)
    assert np.array_equal(frame.pixels, RGB)
    assert frame.stamp_ns == STAMP_NS
    message.data = array.array("B", data[:-20])
    with pytest.raises(ConversionError, match="cut off"):
        conversions.frame_from_image(message)


def test_camera_info_and_its_inverse():
    message = conversions.to_camera_info(STAMP_NS, "lens", (640, 480), (500, 510.0, 319.5, 200.0))
    assert (message.width, message.height, message.distortion_model) == (640, 480, "plumb_bob")
    assert list(message.p)[:7] == [500, 0, 319.5, 0, 0, 510, 200]
    lens = to_lens(message, rectified=False)
    assert (lens.intrinsics, lens.wh) == (Intrinsics(500, 510, 319.5, 200), (640, 480))


def test_detections_carry_the_header_of_their_frame_inside_too():
    message = conversions.to_detections(grounding(), ("7", ""))
    assert len(message.detections) == 2
    for header in [message.header, *(d.header for d in message.detections)]:
        assert (conversions.stamp_ns(header.stamp), header.frame_id) == (STAMP_NS, "lens")
    first = message.detections[0]
    assert first.id == "7"
    assert message.detections[1].id == ""
    assert (first.results[0].hypothesis.class_id, first.results[0].hypothesis.score) == (
        "tote",
        0.9,
    )
    centre = first.bbox.center.position
    assert (centre.x, centre.y, first.bbox.size_x, first.bbox.size_y) == (20, 40, 20, 40)
    assert all(len(detection.results) == 1 for detection in message.detections)


def test_nothing_found_is_a_message():
    message = conversions.to_detections(grounding(0), ())
    assert message.detections == []
    assert conversions.stamp_ns(message.header.stamp) == STAMP_NS


def test_tracks_carry_ids_and_only_the_rows_asked_for():
    message = conversions.to_tracks(tracks(), [1])
    (only,) = message.detections
    assert only.id == str(2**31 + 5)
    assert only.results[0].hypothesis.class_id == "person"
    assert message.header.frame_id == "lens"
    assert len(conversions.to_tracks(tracks(), [0, 1]).detections) == 2
    assert conversions.to_tracks(tracks(), []).detections == []


def test_markers_lie_on_the_rays_of_their_boxes():
    message = conversions.to_markers(tracks(), [0], (100.0, 200.0, 10.0, 20.0), gone=[9])
    gone = [m for m in message.markers if m.action == Marker.DELETE]
    assert {(m.ns, m.id) for m in gone} == {("tracks", 9), ("labels", 9)}
    outline, text = (m for m in message.markers if m.action == Marker.ADD)
    assert (outline.ns, outline.id, text.ns, text.id) == ("tracks", 3, "labels", 3)
    assert [(p.x, p.y, p.z) for p in outline.points] == [
        (0.0, 0.0, 1.0), (0.2, 0.0, 1.0), (0.2, 0.2, 1.0), (0.0, 0.2, 1.0), (0.0, 0.0, 1.0)
    ]  # fmt: skip
    assert text.text == "tote #3 0.90"
    assert outline.pose.orientation.w == 1.0
    assert outline.color.a == 1.0
    big = conversions.to_markers(tracks(), [1], (100.0, 200.0, 10.0, 20.0))
    assert {m.id for m in big.markers} == {5}  # ids are 32 bits wide here


def test_label_info_json_and_diagnostics():
    info = conversions.to_label_info(Query.parse("tote, person"), STAMP_NS, 0.25)
    assert [(c.class_id, c.class_name) for c in info.class_map] == [(0, "tote"), (1, "person")]
    assert info.threshold == 0.25
    assert conversions.to_json({"query": "größe 箱"}).data == '{"query": "größe 箱"}'
    with pytest.raises(ValueError, match="JSON"):
        conversions.to_json({"score": float("nan")})
    lines = [Health(WARN, "camera", "silent", {"frames": 3})]
    (status,) = conversions.to_diagnostics(lines, STAMP_NS, "/lfmvl/perception").status
    assert (status.level, status.name, status.message) == (
        b"\x01",
        "/lfmvl/perception: camera",
        "silent",
    )
    assert [(v.key, v.value) for v in status.values] == [("frames", "3")]


# -- which codec ---------------------------------------------------------------------------------

GOOD = """
import numpy as np
class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        assert desired_encoding == "rgb8"
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        if message.encoding == "mono16":
            rows = rows.view(np.uint16)[:, :message.width] // 257
            return np.repeat(rows[..., None], 3, 2).astype(np.uint8)
        pixels = rows[:, :message.width * 3].reshape(message.height, message.width, 3)
        if message.height == 3:
            raise TypeError("as cv_bridge does")
        return pixels[..., ::-1] if message.encoding == "bgr8" else pixels
"""
PROBE = """
import numpy as np
from sensor_msgs.msg import Image
from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.cv_bridge_codec import CvBridgeAdapter
from lfmvl_ros.ros.sensors.pixels import ConversionError
bridge = CvBridgeAdapter()
print(bridge.works, "|", bridge.reason)
for encoding, height, data in (("bgr8", 1, [1, 2, 3]), ("bgr8", 3, [1, 2, 3] * 3)):
    message = Image(width=1, height=height, step=3, encoding=encoding)
    message.data.frombytes(bytes(data))
    try:
        print(conversions.frame_from_image(message, bridge).pixels[0].tolist())
    except ConversionError as error:
        print(error)
"""


def probe(tmp_path, source):
    """Run :data:`PROBE` where this is ``cv_bridge``; a broken build may take its process down."""
    if source is not None:
        (tmp_path / "cv_bridge.py").write_text(textwrap.dedent(source))
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([path, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_cv_bridge_is_used_where_it_works(tmp_path):
    first, converted, refused = probe(tmp_path, GOOD)
    assert first.startswith("True | cv_bridge works with NumPy")
    assert converted == "[[3, 2, 1]]"
    assert refused == "cv_bridge can't convert the image: as cv_bridge does"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "cv_bridge is not installed"),
        ("raise ImportError('numpy.core.multiarray failed to import')", "ImportError: numpy.core"),
        ("import os; os.kill(os.getpid(), 11)", "its process died with -11"),
        (GOOD.replace("[..., ::-1]", ""), "AssertionError"),
    ],
    ids=["absent", "fails", "crashes", "swaps colours"],
)
def test_our_own_codec_otherwise(tmp_path, source, why):
    if source is None and "cv_bridge" in sys.modules:
        pytest.skip("cv_bridge is installed")
    first, converted, also = probe(tmp_path, source)
    assert first.startswith("False | ")
    assert why in first
    assert converted == also == "[[3, 2, 1]]"
