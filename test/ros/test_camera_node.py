# SPDX-License-Identifier: Apache-2.0
"""The camera node as a process, over real DDS."""

import itertools

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.sensors.lens import to_lens
from lfmvl_warehouse.scenes import SceneVideo

from ..videos import LEVELS, matroska
from .conftest import together


def stamp(message):
    return conversions.stamp_ns(message.header.stamp)


def video(path, frames, rate_hz=20.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 * i % 256, np.uint8))
    writer.release()
    return str(path)


def test_the_scene_with_calibration_at_true_rate(world):
    images = world.listen(Image, "image_raw", qos.SENSOR)
    infos = world.listen(CameraInfo, "camera_info", qos.SENSOR)
    parameters = {"width": 64, "height": 64, "rate_hz": 20.0, "seed": 3, "frame_id": "eye"}
    world.start("camera_node", parameters=parameters)
    first, info = together(images, infos)
    seen = [first, *(images.next() for _ in range(11))]
    stamps = np.array([stamp(message) for message in seen])
    steps = np.diff(stamps) / 50e6  # periods; skipped images leave whole ones out
    assert (np.abs(steps - np.rint(steps)) < 0.1).all(), steps
    assert (np.rint(steps) >= 1).all()

    scene = SceneVideo(3, wh=(64, 64), fps=20.0)
    frames = [conversions.frame_from_image(message).pixels for message in seen]
    indices = np.rint((stamps - stamps[0]) / 50e6).astype(int)
    first = next(i for i in range(10_000) if np.array_equal(scene.frame(i).pixels, frames[0]))
    for index, image in zip(indices, frames, strict=True):
        assert np.array_equal(scene.frame(first + int(index)).pixels, image)

    assert (info.width, info.height, info.header.frame_id) == (64, 64, "eye")
    assert to_lens(info, rectified=False).intrinsics.fx_px == scene.focal_px


def test_the_scene_with_depth_transforms_and_truth(world):
    """All of one image has its stamp, and is registered: depth at a true box is the object's."""
    frames = world.listen(TFMessage, "/tf", qos.TRANSFORMS)
    images = world.listen(Image, "image_raw", qos.SENSOR)
    parameters = {"width": 320, "height": 240, "rate_hz": 10.0, "seed": 3, "frame_id": "eye"}
    world.start("camera_node", parameters=parameters | {"depth_rate_hz": 5.0})
    (pose,) = frames.next().transforms
    assert (pose.header.frame_id, pose.child_frame_id) == ("scene", "eye")
    depths = world.listen(Image, "depth/image", qos.SENSOR)
    infos = world.listen(CameraInfo, "depth/camera_info", qos.SENSOR)
    boxes = world.listen(Detection2DArray, "truth")
    solids = world.listen(Detection3DArray, "truth_3d")
    solids.next()
    solids.clear()
    depths.clear()
    depth, info, flat, true, _ = together(depths, infos, boxes, solids, images)
    taken = stamp(depth)
    pose = frames.next(lambda m: stamp(m.transforms[0]) == taken).transforms[0]
    assert depth.header == info.header == flat.header
    assert (depth.encoding, depth.width, info.width) == ("16UC1", 320, 320)
    assert true.header.frame_id == "scene"
    assert [d.id for d in flat.detections] == [d.id for d in true.detections]
    metres = np.frombuffer(depth.data, np.uint16).reshape(240, 320) / 1000.0
    shares = []  # of how far off it may be
    for box, solid in zip(flat.detections, true.detections, strict=True):
        if box.results[0].hypothesis.score < 0.9 or box.bbox.size_x < 15:
            continue
        at = box.bbox.center.position
        middle = metres[int(at.y) - 2 : int(at.y) + 3, int(at.x) - 2 : int(at.x) + 3]
        eye, there = pose.transform.translation, solid.bbox.center.position
        distance = np.linalg.norm([eye.x - there.x, eye.y - there.y])
        size = solid.bbox.size
        if (middle > 0).any():
            off = np.median(middle[middle > 0]) - distance
            shares.append(abs(off) / (0.6 * max(size.x, size.y) + 0.1 * distance))
    assert np.median(shares) < 1, shares  # something may stand before the middle of one
    # Five a second of ten images.
    steps = np.diff([stamp(depths.next()) for _ in range(5)])
    assert steps.min() >= 190e6


def test_a_video_ends_with_exit_code_0(world, tmp_path):
    source = video(tmp_path / "short.avi", 10)
    process = world.start("camera_node", parameters={"source": source, "loop": False})
    assert process.ended() == 0, world.log()
    assert "the source has ended" in world.log()


def test_a_video_loops_on_request_and_stops_when_told(world, tmp_path):
    images = world.listen(Image, "image_raw", qos.SENSOR)
    source = video(tmp_path / "short.avi", 30)
    process = world.start(
        "camera_node", parameters={"source": source, "loop": True, "encoding": "bgr8"}
    )
    message = images.next(lambda m: max(m.data) > 200)
    assert (message.encoding, message.width, message.height) == ("bgr8", 64, 48)
    stamps = [stamp(images.next()) for _ in range(40)]
    assert stamps == sorted(set(stamps))  # time goes on when the video starts again
    code = world.end(process)
    assert code == 0, world.log()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"source": "/nowhere.mp4"}, "camera source '/nowhere.mp4' does not exist"),
        ({"encoding": "yuyv"}, "encoding must be one of rgb8, bgr8, mono8"),
        ({"width": 4}, "width"),
    ],
)
def test_what_cannot_start_says_why(world, parameters, says):
    process = world.start("camera_node", parameters=parameters)
    assert process.ended() == 2, world.log()
    assert says in world.log()
    assert "Traceback" not in world.log()


def test_an_image_that_is_damaged_is_a_warning_in_the_log(world, tmp_path):
    images = world.listen(Image, "image_raw", qos.SENSOR)
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "b.png").write_bytes(b"no image")
    process = world.start("camera_node", parameters={"source": str(folder)})
    for _ in range(3):
        images.next()
    code = world.end(process)
    assert code == 0, world.log()
    assert "[WARN]" in world.log()
    assert "b.png' is a text file;" in world.log()


def test_a_video_of_varying_rate_plays_with_its_own_times(world, tmp_path):
    images = world.listen(Image, "image_raw", qos.SENSOR)
    path, times_ms = tmp_path / "uneven.mkv", [0, 100, 200, 900, 1000, 1500]
    path.write_bytes(matroska(LEVELS, times_ms))
    world.start("camera_node", parameters={"source": str(path)})
    seen = [images.next() for _ in range(14)]
    by_level = [(round(np.mean(message.data)), stamp(message) / 1e6) for message in seen]
    round_ms = times_ms[-1] + (times_ms[-1] - times_ms[-2])  # a busy machine may skip whole ones
    for (level, at_ms), (later, later_ms) in itertools.pairwise(by_level):
        apart_ms = times_ms[LEVELS.index(later)] - times_ms[LEVELS.index(level)]
        rounds = (later_ms - at_ms - apart_ms) / round_ms
        assert round(rounds) >= (apart_ms <= 0)
        assert rounds == pytest.approx(round(rounds), abs=5 / round_ms)
