# SPDX-License-Identifier: Apache-2.0
"""Videos are read at their own times and from their first frame, and damage is said."""

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.video_reader import VideoReader

from ..videos import LEVELS, TIMES_MS, matroska


def frames(video):
    return [(round(time_ns / 1e6), round(float(pixels.mean()))) for time_ns, pixels in video]


def written(path, codec, rate_hz, count=30):
    """Noisy frames, so that none is small, each brighter than the one before."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate_hz, (64, 48))
    rng = np.random.default_rng(0)
    for index in range(count):
        writer.write((rng.integers(0, 40, (48, 64, 3)) + 5 * index).astype(np.uint8))
    writer.release()
    return path


def test_times_are_the_containers(tmp_path):
    path = tmp_path / "uneven.mkv"
    path.write_bytes(matroska(LEVELS, TIMES_MS))
    video = VideoReader(path)
    assert frames(video) == list(zip(TIMES_MS, LEVELS, strict=True))
    assert video.problem == ""


@pytest.mark.parametrize("rate_hz", [0.05, 12.5, 200.0])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG")])
def test_even_times_of_any_rate(tmp_path, name, codec, rate_hz):
    video = VideoReader(written(tmp_path / name, codec, rate_hz))
    assert video.rate_hz == pytest.approx(rate_hz)
    read = frames(video)
    assert [time_ms for time_ms, _ in read] == [round(i * 1e3 / rate_hz) for i in range(30)]
    assert video.problem == ""


def test_a_rewind_loses_no_frame(tmp_path):
    path = tmp_path / "uneven.mkv"
    path.write_bytes(matroska(LEVELS, TIMES_MS))
    video = VideoReader(path)
    for _ in range(3):
        assert video.read()[1].max() == 0
        assert video.skip()
        assert video.next_ns() == 80_000_000
        video.rewind()
    while video.skip():
        pass
    assert video.frames == len(LEVELS)
    assert video.read() is None
    video.rewind()
    assert frames(video) == list(zip(TIMES_MS, LEVELS, strict=True))


def test_frames_without_times_get_the_usual_period(tmp_path):
    path = tmp_path / "equal.mkv"
    path.write_bytes(matroska(LEVELS[:4], [0, 100, 100, 50]))
    times_ns = [time_ns for time_ns, _ in VideoReader(path)]
    assert times_ns == sorted(set(times_ns))
    assert len(times_ns) == 4


@pytest.mark.parametrize("make", ["avi", "mkv"])
def test_a_file_that_breaks_off_says_where(tmp_path, make):
    path = tmp_path / f"a.{make}"
    if make == "avi":
        written(path, "MJPG", 10.0)
    else:
        path.write_bytes(matroska(range(0, 120, 4), range(0, 3000, 100)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    video = VideoReader(path)
    read = frames(video)
    assert 10 < len(read) < 20
    last_s = read[-1][0] / 1e3
    assert f"breaks off after frame {len(read)}" in video.problem
    assert f"at {last_s:.2f} s" in video.problem


def test_a_hole_is_said_and_what_follows_is_read(tmp_path):
    path = written(tmp_path / "a.avi", "MJPG", 10.0)
    data = bytearray(path.read_bytes())
    middle, length = len(data) // 2, len(data) // 10
    data[middle : middle + length] = bytes(length)
    path.write_bytes(data)
    video = VideoReader(path)
    read = frames(video)
    assert 20 < len(read) < 30
    assert read[-1][1] == pytest.approx(164, abs=3)  # the last frame
    assert f"gave {len(read)} of the 30 frames" in video.problem


@pytest.mark.parametrize(
    ("codec", "name"),
    [("V_AV1", "AV1"), ("V_MPEGH/ISO/HEVC", "H.265"), ("V_NEW", "NEW")],
)
def test_a_codec_that_is_missing_is_named(tmp_path, codec, name):
    path = tmp_path / "a.mkv"
    path.write_bytes(matroska(LEVELS, TIMES_MS, codec))
    with pytest.raises(UserError, match=rf"\({name}\) that is damaged, or OpenCV has no decoder"):
        VideoReader(path)


def test_an_mp4_without_its_index_says_that_it_breaks_off(tmp_path):
    path = written(tmp_path / "a.mp4", "mp4v", 10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"an MP4 video.* that breaks off before its end"):
        VideoReader(path)
