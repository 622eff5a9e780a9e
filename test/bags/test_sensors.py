# SPDX-License-Identifier: Apache-2.0
"""Gyroscope, depth, transforms and compressed video of a bag, as the pipeline uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from lfmvl_ros.bags.messages import CAMERA_INFO, Messages
from lfmvl_ros.bags.reading import IMU, RAW, TRANSFORMS
from lfmvl_ros.bags.types import typestore
from lfmvl_ros.bags.video import COMPRESSED_VIDEO, FFMPEG_PACKET
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError

from .recordings import BEGIN_NS, PERIOD_NS, WH, SquareFinder, pixels_at
from .test_replay import replay, results

LENS = (150.0, 150.0, 79.5, 59.5)
COUNT = 20
YAW_RAD_S = 0.8
Row = tuple[str, str, Any, int]


def write(path: Path, rows: Sequence[Row], store: Any) -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for topic, kind, message, at_ns in sorted(rows, key=lambda row: row[3]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], at_ns, store.serialize_cdr(message, kind))
    return path


def camera_rows(store: Any, pixels: Any = pixels_at) -> list[Row]:
    made, rows = Messages(store), []
    for index in range(COUNT):
        at_ns = BEGIN_NS + index * PERIOD_NS
        lens = made.camera_info(at_ns, "lens", WH, LENS)
        rows.append(("/camera/camera_info", CAMERA_INFO, lens, at_ns))
        image = made.image(pixels(index), at_ns, "lens")
        rows.append(("/camera/image_raw", RAW, image, at_ns + 1))
    return rows


def transform(store: Any, parent: str, child: str, at_ns: int, x: float = 0.0) -> Any:
    types = store.types
    return types[TRANSFORMS](transforms=[types["geometry_msgs/msg/TransformStamped"](
        header=Messages(store).header(at_ns, parent), child_frame_id=child,
        transform=types["geometry_msgs/msg/Transform"](
            translation=types["geometry_msgs/msg/Vector3"](x=x, y=0.0, z=0.0),
            rotation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
        ),
    )])  # fmt: skip


# -- depth -------------------------------------------------------------------------------------


def depth_at(index: int) -> np.ndarray:
    """The square is 2 m away, what is behind it 4 m."""
    depth = np.full((WH[1], WH[0]), 4000, np.uint16)
    depth[40:72, 20 + 2 * index : 52 + 2 * index] = 2000
    return depth


def depth_message(store: Any, depth_mm: np.ndarray, stamp_ns: int) -> Any:
    """``(H, W)`` uint16 mm as a depth image (REP 118)."""
    height, width = depth_mm.shape
    return store.types[RAW](
        header=Messages(store).header(stamp_ns, "lens"), height=height, width=width,
        encoding="16UC1", is_bigendian=0, step=2 * width,
        data=np.ascontiguousarray(depth_mm, dtype="<u2").view(np.uint8).reshape(-1),
    )  # fmt: skip


def depth_bag(path: Path, *, late_ns: int = 0, moving: bool = False) -> Path:
    store = typestore()
    rows = camera_rows(store)
    for index in range(COUNT):
        at_ns = BEGIN_NS + index * PERIOD_NS
        depth = depth_message(store, depth_at(index), at_ns)
        rows.append(("/camera/depth/image", RAW, depth, at_ns + 2 + late_ns))
        if moving:
            tf = transform(store, "map", "lens", at_ns, x=0.1 * index)
            rows.append(("/tf", TRANSFORMS, tf, at_ns + 3 + late_ns))
    return write(path, rows, store)


def settings(**changes: object) -> PerceptionSettings:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return PerceptionSettings(query="square").updated(named)


def places(path: Path) -> list[tuple[int, Any]]:
    return [(at, m) for at, m in results(path, "/lfmvl/tracks_3d") if m.detections]


def test_depth_gives_tracks_in_metres(tmp_path: Path) -> None:
    source = depth_bag(tmp_path / "in")
    summary = replay(source, tmp_path / "out", settings=settings(spatial__source="depth"))
    found = places(tmp_path / "out")
    assert len(found) > 5
    assert summary["places"]["placed"] >= len(found)
    for _, message in found:
        (item,) = message.detections
        index = round((message.header.stamp.sec * 10**9 + message.header.stamp.nanosec - BEGIN_NS)
                      / PERIOD_NS)  # fmt: skip
        at = item.results[0].pose.pose.position
        assert message.header.frame_id == "lens"
        assert at.z == pytest.approx(2.0, abs=0.25)
        assert at.x == pytest.approx((36 + 2 * index - 80) / 150 * 2, abs=0.1)


@pytest.mark.parametrize("late_ns", [0, 120_000_000])
def test_positions_in_the_map_follow_the_transform_of_their_image(
    tmp_path: Path, late_ns: int
) -> None:
    source = depth_bag(tmp_path / "in", moving=True, late_ns=late_ns)
    chosen = settings(spatial__source="depth", spatial__target_frame="map")
    for name in ("one", "two"):
        replay(source, tmp_path / name / "run", settings=chosen)
    one, two = ((tmp_path / name / "run" / "run.mcap").read_bytes() for name in ("one", "two"))
    assert one == two
    found = places(tmp_path / "one" / "run")
    assert len(found) > 3
    for at_ns, message in found:
        (item,) = message.detections
        taken_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        index = round((taken_ns - BEGIN_NS) / PERIOD_NS)
        assert at_ns >= taken_ns + late_ns
        x = item.results[0].pose.pose.position.x
        assert x == pytest.approx(0.1 * index + (36 + 2 * index - 80) / 150 * 2, abs=0.12)


def test_what_is_missing_is_said_once(tmp_path: Path) -> None:
    warned: list[str] = []
    store = typestore()
    source = write(tmp_path / "in", [
        *camera_rows(store),
        ("/camera/depth/image", RAW, depth_message(store, depth_at(0), 5), BEGIN_NS),
    ], store)  # fmt: skip
    chosen = settings(spatial__source="depth")
    summary = replay(source, tmp_path / "out", settings=chosen, warn=warned.append)
    assert summary["places"]["placed"] == 0
    assert summary["places"]["missing"]["no_depth"] > 3
    assert len([text for text in warned if "no_depth" in text]) == 1


# -- gyroscope ---------------------------------------------------------------------------------


def heading_rad(index: int) -> float:
    return YAW_RAD_S * index * PERIOD_NS * 1e-9 - 0.4


def turning(index: int) -> np.ndarray:
    """What a camera sees that turns to the right, in front of a round wall with the square."""
    wall = np.random.default_rng(5).integers(40, 90, (WH[1], 800, 3), dtype=np.uint8)
    wall[40:72, 384:416] = np.random.default_rng(6).integers(170, 250, (32, 32, 3), dtype=np.uint8)
    ray_rad = np.arctan((np.arange(WH[0]) - LENS[2]) / LENS[0]) + heading_rad(index)
    return np.ascontiguousarray(wall[:, np.round(400 + ray_rad * 300).astype(int)])


def gyro_bag(path: Path, *, mounted: bool = True) -> Path:
    store = typestore()
    made, rows, types = Messages(store), camera_rows(store, turning), store.types

    def vector(y: float = 0.0) -> Any:
        return types["geometry_msgs/msg/Vector3"](x=0.0, y=y, z=0.0)

    for index in range(COUNT * 10):
        at_ns = BEGIN_NS + index * PERIOD_NS // 10
        rate = types[IMU](
            header=made.header(at_ns, "imu"),
            orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=np.zeros(9), angular_velocity=vector(YAW_RAD_S),
            angular_velocity_covariance=np.zeros(9), linear_acceleration=vector(),
            linear_acceleration_covariance=np.zeros(9),
        )  # fmt: skip
        rows.append(("/imu", IMU, rate, at_ns))
    if mounted:
        rows.append(("/tf_static", TRANSFORMS, transform(store, "imu", "lens", 0), BEGIN_NS - 1))
    return write(path, rows, store)


def errors_px(path: Path) -> list[float]:
    """How far tracks are from the square, after the first answers."""
    found = []
    for index, (_, message) in enumerate(results(path, "/lfmvl/tracks")):
        true = LENS[2] - LENS[0] * np.tan(heading_rad(index))
        found += [abs(item.bbox.center.position.x - true) for item in message.detections]
    return found


def test_the_gyroscope_moves_tracks_with_the_camera(tmp_path: Path) -> None:
    source = gyro_bag(tmp_path / "in")
    still = settings(tracker__bridge="predict")
    used = still.updated({"ego_motion.source": "imu"})
    replay(source, tmp_path / "without", latency=lambda _: 0.3, settings=still)
    summary = replay(source, tmp_path / "with", latency=lambda _: 0.3, settings=used)
    assert summary["imu"]["received"] == COUNT * 10
    assert summary["imu"]["frames"] > COUNT / 2
    without, found = errors_px(tmp_path / "without"), errors_px(tmp_path / "with")
    assert len(found) > 5
    assert np.mean(found) < 1
    assert np.mean(without) > 2 * np.mean(found)


def test_without_its_mounting_the_gyroscope_is_not_used(tmp_path: Path) -> None:
    warned: list[str] = []
    source = gyro_bag(tmp_path / "in", mounted=False)
    used = settings(ego_motion__source="imu")
    summary = replay(source, tmp_path / "out", settings=used, warn=warned.append)
    assert summary["imu"]["frames"] == 0
    assert any("no static transforms from 'imu' to 'lens'" in text for text in warned)
    given = used.updated({"ego_motion.mount": "given"})
    assert replay(source, tmp_path / "given", settings=given)["imu"]["frames"] > 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ego_motion.source": "imu"}, "--imu names a topic of sensor_msgs/msg/Imu"),
        ({"spatial.source": "depth"}, "--depth names a topic of sensor_msgs/msg/Image"),
    ],
)
def test_a_sensor_that_the_bag_lacks_is_refused(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    store = typestore()
    source = write(tmp_path / "in", camera_rows(store), store)
    with pytest.raises(UserError, match=says):
        replay(source, tmp_path / "out", settings=settings().updated(changes))
    assert not (tmp_path / "out").exists()


# -- video -------------------------------------------------------------------------------------

FIELDS = {
    COMPRESSED_VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\n"
    "string format",
    FFMPEG_PACKET: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\n"
    "uint64 pts\nuint8 flags\nbool is_bigendian\nuint8[] data",
}


def packets(codec: str) -> list[bytes]:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    try:
        encoder = av.CodecContext.create(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no {codec}")
    encoder.width, encoder.height, encoder.pix_fmt = *WH, "yuv420p"
    encoder.framerate, encoder.bit_rate = 20, 4_000_000
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "10"}
    found = []
    for index in range(COUNT):
        frame = av.VideoFrame.from_ndarray(pixels_at(index), format="rgb24")
        frame.pts = index
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found + [bytes(packet) for packet in encoder.encode(None)]


def video_bag(path: Path, kind: str, data: Sequence[bytes], codec: str = "h264") -> Path:
    store = typestore()
    store.register(get_types_from_msg(FIELDS[kind], kind))
    made, rows = Messages(store), []
    for index, packet in enumerate(data):
        at_ns = BEGIN_NS + index * PERIOD_NS
        header, raw = made.header(at_ns, "lens"), np.frombuffer(packet, np.uint8)
        if kind == COMPRESSED_VIDEO:
            message = store.types[kind](timestamp=header.stamp, frame_id="lens", data=raw,
                                        format=codec)  # fmt: skip
        else:
            message = store.types[kind](
                header=header, width=WH[0], height=WH[1], encoding=f"{codec};yuv420p;bgr8;bgr8",
                pts=index, flags=0, is_bigendian=False, data=raw,
            )  # fmt: skip
        rows.append(("/camera/video", kind, message, at_ns))
    return write(path, rows, store)


@pytest.mark.parametrize("kind", FIELDS)
def test_compressed_video_is_followed(tmp_path: Path, kind: str) -> None:
    source = video_bag(tmp_path / "in", kind, packets("libx264"))
    summary = replay(source, tmp_path / "out")
    assert (summary["frames"], summary["tracks"]) == (COUNT, 1)
    last = results(tmp_path / "out", "/lfmvl/tracks")[-1][1]
    assert last.detections[0].bbox.center.position.x == pytest.approx(36 + 2 * (COUNT - 1), abs=3)
    assert last.header.frame_id == "lens"


def test_packets_before_a_key_frame_and_damaged_ones_are_counted(tmp_path: Path) -> None:
    data = packets("libx264")
    source = video_bag(tmp_path / "in", COMPRESSED_VIDEO, [b"\x00" * 50, *data[1:]])
    warned: list[str] = []
    summary = replay(source, tmp_path / "out", warn=warned.append)
    assert 5 <= summary["frames"] < COUNT
    assert summary["dropped"]["corrupt"] == COUNT - summary["frames"]
    assert len(warned) == 1


def test_another_codec_is_named(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    warned: list[str] = []
    source = video_bag(tmp_path / "in", COMPRESSED_VIDEO, [b"x"] * 3, codec="theora")
    summary = replay(source, tmp_path / "out", model=SquareFinder(), warn=warned.append)
    assert summary["dropped"] == {"unsupported_encoding": 3}
    assert "'theora' is not supported" in warned[0]


def test_without_a_decoder_the_install_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = video_bag(tmp_path / "in", COMPRESSED_VIDEO, [b"x"])
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UserError, match="pip install av"):
        replay(source, tmp_path / "out")
