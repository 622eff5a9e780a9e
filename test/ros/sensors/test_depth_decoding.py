# SPDX-License-Identifier: Apache-2.0
"""Bytes of depth messages become metres, or an error that names what was expected."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.ros.sensors.depth_decoding import decode_compressed_depth, decode_depth
from lfmvl_ros.ros.sensors.pixels import ConversionError


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from(["16UC1", "mono16", "32FC1"]),
    st.integers(0, 2**32 - 1),
)
def test_raw_depth_is_metres_whatever_the_padding_and_byte_order(
    width, height, padding, big, encoding, seed
):
    rng = np.random.default_rng(seed)
    order = ">" if big else "<"
    if encoding == "32FC1":
        values = rng.uniform(0.1, 20.0, (height, width)).astype(f"{order}f4")
        expected = values.astype(np.float32)
    else:
        values = rng.integers(0, 65536, (height, width)).astype(f"{order}u2")
        expected = values.astype(np.float32) / 1000
    row = width * values.itemsize
    step = row + padding
    data = b"".join(line.tobytes() + bytes(padding) for line in values)
    depth = decode_depth(encoding, data, (width, height), step, big_endian=big)
    assert depth.dtype == np.float32
    assert depth == pytest.approx(expected, rel=1e-5)


def packed(encoding, values, codec="compressedDepth png", parameters=(0.0, 0.0)):
    _, png = cv2.imencode(".png", values)
    return f"{encoding}; {codec}", struct.pack("<iff", 0, *parameters) + png.tobytes()


def test_compressed_depth():
    values = np.array([[0, 1500], [65535, 20]], np.uint16)
    depth = decode_compressed_depth(*packed("16UC1", values))
    assert depth == pytest.approx(np.array([[0, 1.5], [65.535, 0.02]]), rel=1e-5)
    # Inverse depth with 10 m largest and quantisation 100, as the transport's encoder writes it.
    a = 100.0 * 101.0
    b = 1.0 - a / 10.0
    metres = np.array([[1.0, 2.5], [9.0, 4.0]])
    coded = np.round(a / metres + b).astype(np.int64)
    stored = np.where(metres > 8.9, 0, coded).astype(np.uint16)
    depth = decode_compressed_depth(*packed("32FC1", stored, parameters=(a, b)))
    assert np.isnan(depth[1, 0])
    assert depth[metres < 8.9] == pytest.approx(metres[metres < 8.9], rel=2e-3)


VALUES = np.full((4, 5), 1000, np.uint16)


@pytest.mark.parametrize(
    ("encoding", "data", "step", "reason", "words"),
    [
        ("8UC1", bytes(20), 5, "unsupported_encoding", "16UC1"),
        ("bgr8", bytes(60), 15, "unsupported_encoding", "32FC1"),
        ("16UC1", bytes(39), 10, "corrupt", "39 bytes"),
        ("16UC1", bytes(40), 9, "corrupt", "step 9"),
        ("32FC1", VALUES.astype("<f4").tobytes(), 20, "wrong_unit", "millimetres"),
    ],
)
def test_bad_raw_depth(encoding, data, step, reason, words):
    with pytest.raises(ConversionError, match=words) as error:
        decode_depth(encoding, data, (5, 4), step)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (packed("16UC1", VALUES, codec="compressedDepth rvl"), "unsupported_encoding"),
        (packed("8UC1", VALUES), "unsupported_encoding"),
        (packed("16UC1", VALUES, codec="png compressed"), "unsupported_encoding"),
        (packed("16UC1", VALUES.astype(np.uint8)), "corrupt"),
        (("16UC1; compressedDepth png", b""), "corrupt"),
        (("16UC1; compressedDepth png", packed("16UC1", VALUES)[1][:-20]), "corrupt"),
    ],
)
def test_bad_compressed_depth(message, reason):
    with pytest.raises(ConversionError) as error:
        decode_compressed_depth(*message)
    assert error.value.reason == reason


def test_a_depth_image_that_states_too_many_pixels_is_not_decoded():
    large = packed("16UC1", np.zeros((1200, 1000), np.uint16))
    with pytest.raises(ConversionError, match="depth image"):
        decode_compressed_depth(*large, max_megapixels=1.0)
