# SPDX-License-Identifier: Apache-2.0
"""Video, folder and scene as image sources; what can't be read is said in one sentence."""

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.sensors.image_sources import open_source
from lfmvl_warehouse.scenes import SceneVideo

from ...videos import LEVELS, TIMES_MS, matroska


def settings(source, **changes):
    return CameraSettings().updated({"source": str(source), **changes})


def grey_levels(source, count):
    return [round(float(source.read().mean())) for _ in range(count)]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "levels.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for level in range(0, 200, 20):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path):
    for name, level in (("b.png", 40), ("a.png", 20), ("c.PNG", 60)):
        cv2.imwrite(str(tmp_path / name.lower()), np.full((8, 6, 3), level, np.uint8))
    (tmp_path / "c.png").rename(tmp_path / "c.PNG")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_video_rate_order_end_and_rewind(video):
    source = open_source(settings(video))
    assert source.rate_hz == pytest.approx(12.5)
    assert grey_levels(source, 3) == pytest.approx([0, 20, 40], abs=3)
    assert source.skip(4) == 4
    assert grey_levels(source, 3) == pytest.approx([140, 160, 180], abs=3)
    assert source.read() is None
    source.rewind()
    assert grey_levels(source, 1) == pytest.approx([0], abs=3)
    assert source.skip(100) == 9  # what there is
    source.close()


def test_video_skips_the_image_it_was_tried_with(video):
    source = open_source(settings(video, rate_hz=5.0))
    assert source.rate_hz == 5.0
    source.skip(1)
    assert grey_levels(source, 1) == pytest.approx([20], abs=3)


def test_video_is_rgb(tmp_path):
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 200), np.uint8))
    writer.release()
    red, green, blue = open_source(settings(path)).read()[20, 30]
    assert (red > 180, green < 40, blue < 40) == (True, True, True)


def test_folder_is_sorted_and_ends(folder):
    source = open_source(settings(folder))
    assert source.rate_hz == 30.0
    assert grey_levels(source, 3) == [20, 40, 60]
    assert source.read() is None
    source.rewind()
    assert source.skip(1) == 1
    assert grey_levels(source, 1) == [40]
    assert source.skip(5) == 1
    assert source.read() is None


def test_scene_is_the_scene():
    source = open_source(settings("scene", seed=3, width=96, height=64, rate_hz=10.0))
    expected = SceneVideo(3, wh=(96, 64), fps=10.0)
    assert np.array_equal(source.read(), expected.frame(0).pixels)
    assert source.skip(2) == 2
    assert np.array_equal(source.read(), expected.frame(3).pixels)
    fx, fy, cx, cy = source.intrinsics((96, 64))
    assert fx == fy == expected.focal_px
    assert cx == 47.5
    assert 0 < cy < 32  # the lens is shifted down


def test_field_of_view_of_files(folder):
    source = open_source(settings(folder, horizontal_fov_deg=90.0))
    assert tuple(source.intrinsics((640, 480))) == pytest.approx((320, 320, 319.5, 239.5))


def broken_video(path):
    target = path / "broken.mp4"
    target.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(2000))
    return target


def text_as_video(path):
    target = path / "list.mp4"
    target.write_text("this is no video\n" * 50)
    return target


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda path: path / "absent.mp4",
            "does not exist; give 'assist', 'picking', 'scene', 'shelf', a video",
        ),
        (lambda path: path, "there are no images in"),
        (broken_video, "broken.mp4' is an MP4 video that is damaged"),
        (text_as_video, "list.mp4' is a text file; a video is needed"),
        (lambda _: "/dev/null", "device /dev/null gives no image; check that it is a camera"),
        (lambda _: "", "the camera source is empty"),
    ],
)
def test_what_cannot_be_read(tmp_path, make, says):
    with pytest.raises(UserError, match=says):
        open_source(settings(make(tmp_path)))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0junk"])
def test_a_broken_image_in_a_folder_is_a_warning(folder, data, caplog):
    (folder / "aa.jpg").write_bytes(data)
    source = open_source(settings(folder))
    assert grey_levels(source, 3) == [20, 40, 60]
    assert source.read() is None
    source.rewind()
    assert grey_levels(source, 3) == [20, 40, 60]
    (told,) = [record.getMessage() for record in caplog.records]  # once, not in each round
    assert "aa.jpg" in told
    assert "it is left out" in told


def test_a_folder_without_one_good_image_says_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    source = open_source(settings(tmp_path))
    with pytest.raises(UserError, match=r"not one image of .* can be read"):
        source.read()


def test_a_folder_plays_in_natural_order_without_hidden_files(tmp_path):
    levels = {"10.png": 100, "9.png": 90, "a2b10.png": 220, "a2b9.png": 209, ".8.png": 80}
    for name, level in levels.items():
        cv2.imwrite(str(tmp_path / name), np.full((8, 6, 3), level, np.uint8))
    source = open_source(settings(tmp_path))
    assert grey_levels(source, 4) == [90, 100, 209, 220]
    assert source.read() is None


def test_a_video_has_its_own_times_unless_a_rate_is_set(tmp_path):
    path = tmp_path / "uneven.mkv"
    path.write_bytes(matroska(LEVELS, TIMES_MS))
    source = open_source(settings(path))
    times_ms = []
    while (own_ns := source.next_ns()) is not None:
        times_ms.append(own_ns / 1e6)
        source.read()
    assert times_ms == TIMES_MS
    assert open_source(settings(path, rate_hz=10.0)).next_ns() is None


def test_a_video_that_breaks_off_is_a_warning(video, caplog):
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 95 // 100])
    source = open_source(settings(video))
    while source.read() is not None:
        pass
    assert "breaks off after frame" in caplog.text
