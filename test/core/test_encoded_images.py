# SPDX-License-Identifier: Apache-2.0
"""The size that an encoded image states, read from its header."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfmvl_ros
from lfmvl_ros.core.encoded_images import (
    MAX_FILE_MEGAPIXELS,
    encode_jpeg,
    encoded_wh,
    size_problem,
)
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco import CocoImage
from lfmvl_ros.datasets.coco_images import ImageStore
from lfmvl_ros.ros.sensors.pixels import decode_compressed
from lfmvl_ros.viz.video import read_image

from ..examples import examples


def png(width, height):
    """A PNG of a few bytes that states any size, with valid checksums."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg(wh, stated=None, *options):
    pixels = np.full((wh[1], wh[0], 3), 90, np.uint8)
    data = bytearray(cv2.imencode(".jpg", pixels, list(options))[1].tobytes())
    if stated is not None:
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", stated[1], stated[0])
    return bytes(data)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([".jpg", ".png"]), st.booleans())
@examples(40)
def test_what_opencv_writes_states_its_size(width, height, suffix, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if progressive and suffix == ".jpg" else []
    pixels = np.zeros((height, width, 3), np.uint8)
    data = cv2.imencode(suffix, pixels, options)[1].tobytes()
    assert encoded_wh(data) == (width, height)
    assert encoded_wh(data[:15]) is None
    assert size_problem(data, 1.0) == ""


def test_segments_before_the_frame_are_passed_over():
    data = jpeg((40, 30))
    exif = b"\xff\xe1" + struct.pack(">H", 60_000) + b"\xff\xc0" * 29_999
    assert encoded_wh(data[:2] + exif + b"\xff" + data[2:]) == (40, 30)


@pytest.mark.parametrize("data", [png(30_000, 30_000), jpeg((40, 30), (30_000, 30_000))])
def test_more_pixels_than_allowed_are_told(data):
    assert len(data) < 2000
    assert encoded_wh(data) == (30_000, 30_000)
    assert size_problem(data, 64.0) == (
        "it states 30,000 x 30,000 pixels; at most 64 million are decoded"
    )


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes(data, head):
    wh = encoded_wh(head + data)
    assert wh is None or min(wh) >= 0


@pytest.mark.parametrize("kind", ["depth", "wide", "gray", "colour", "alpha", "progressive"])
def test_all_who_decode_see_the_same(tmp_path, kind):
    rng = np.random.default_rng(1)
    colour = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 3)
    pixels = {
        "depth": rng.integers(500, 4000, (48, 64)).astype(np.uint16),
        "wide": rng.integers(0, 65536, (48, 64, 3)).astype(np.uint16),
        "gray": colour[..., 0],
        "alpha": np.dstack([colour, colour[..., :1]]),
    }.get(kind, colour)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if kind == "progressive" else []
    path = tmp_path / ("a.jpg" if options else "a.png")
    assert cv2.imwrite(str(path), pixels, options)
    file = read_image(path)
    assert file.shape == (48, 64, 3)
    assert file.std() > 5  # none of them is nearly black
    assert np.array_equal(decode_compressed(path.suffix[1:], path.read_bytes()), file)
    picture = CocoImage(path, path.name, (64, 48), 1, np.zeros(0, int), np.zeros((0, 4)))
    assert np.array_equal(ImageStore().pixels(picture), file)


def test_opencv_knows_the_same_limit():
    import os

    assert lfmvl_ros.__version__
    assert float(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]) == MAX_FILE_MEGAPIXELS * 1e6


def test_a_jpeg_is_encoded_in_one_place_only() -> None:
    root = Path(lfmvl_ros.__file__).parent
    found = [path for path in root.rglob("*.py") if 'imencode(".jpg"' in path.read_text("utf-8")]
    assert [path.relative_to(root).as_posix() for path in found] == ["core/encoded_images.py"]


def test_what_cannot_be_a_jpeg_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="an image of 70000x2 can't be a JPEG"):
        encode_jpeg(np.zeros((2, 70_000, 3), np.uint8))
    with pytest.raises(ValueError, match="an image of 0x4"):
        encode_jpeg(np.zeros((4, 0, 3), np.uint8))


def write_tiff(path, values):
    """Write values as they are: OpenCV before 4.12 would write the logarithm of floating point."""
    assert cv2.imwrite(str(path), values, [cv2.IMWRITE_TIFF_COMPRESSION, 1])  # 1: none


@pytest.mark.parametrize("full", [1, 255])
def test_colours_of_floating_point_are_shares_or_8_bits(tmp_path, caplog, full):
    colours = np.full((4, 5, 3), (0.2, 0.4, 1.0), np.float32) * full  # blue first
    write_tiff(tmp_path / "a.tiff", colours)
    assert read_image(tmp_path / "a.tiff")[0, 0].tolist() == [255, 102, 51]
    assert f"its colours are float32 values up to {full}, taken for 0 to {full}" in caplog.text


@pytest.mark.parametrize("value", [-1, 300, np.nan, np.inf])
def test_values_that_are_no_colours_are_refused_as_such(tmp_path, value):
    colours = np.full((4, 5, 3), 0.5, np.float32)
    colours[0, 0] = value
    write_tiff(tmp_path / "a.tiff", colours)
    with pytest.raises(UserError, match=r"has colours of type float32 from .* convert it to 8"):
        read_image(tmp_path / "a.tiff")


def test_a_measurement_of_one_value_shows_its_shape(tmp_path):
    values = np.ones((6, 6), np.float32)
    values[2:4] = 0
    cv2.imwrite(str(tmp_path / "a.tiff"), values)
    pixels = read_image(tmp_path / "a.tiff")
    assert (pixels[0, 0, 0], pixels[2, 0, 0]) == (255, 0)
