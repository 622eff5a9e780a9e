# SPDX-License-Identifier: Apache-2.0
"""Every encoding against a computation that uses neither OpenCV nor the code under test."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.colour import LAYOUTS, PLANAR, stretch
from lfmvl_ros.ros.sensors.pixels import (
    ConversionError,
    decode_compressed,
    decode_raw,
    encode_raw,
)

W, H = 6, 4
RGB = np.random.default_rng(3).integers(0, 256, (H, W, 3), np.uint8)
ALPHA = np.full((H, W, 1), 77, np.uint8)
WIDE = np.random.default_rng(4).integers(0, 65536, (H, W, 3)).astype(np.uint16)
SOLID = (200, 120, 40)


def narrow(values):
    """16 to 8 bits, full scale to full scale, rounded."""
    return ((values.astype(np.int64) * 255 * 2 + 65535) // (65535 * 2)).astype(np.uint8)


def grey(values):
    return np.repeat(values[..., None], 3, axis=2)


def solid_bayer(pattern, dtype, factor):
    colours = {"r": SOLID[0], "g": SOLID[1], "b": SOLID[2]}
    tile = np.array([[colours[c] for c in pattern[:2]], [colours[c] for c in pattern[2:]]])
    return (np.tile(tile, (H // 2, W // 2)) * factor).astype(dtype)


def cases():
    wide4 = np.concatenate([WIDE, np.full((H, W, 1), 9, np.uint16)], 2)
    yield "rgb8", RGB, RGB
    yield "bgr8", RGB[..., ::-1], RGB
    yield "rgba8", np.concatenate([RGB, ALPHA], 2), RGB
    yield "bgra8", np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB
    yield "mono8", RGB[..., 0], grey(RGB[..., 0])
    yield "8UC1", RGB[..., 0], grey(RGB[..., 0])
    yield "8UC3", RGB[..., ::-1], RGB
    yield "rgb16", WIDE, narrow(WIDE)
    yield "bgr16", WIDE[..., ::-1], narrow(WIDE)
    yield "rgba16", wide4, narrow(WIDE)
    yield "bgra16", wide4[..., [2, 1, 0, 3]], narrow(WIDE)
    yield "mono16", WIDE[..., 0], grey(narrow(WIDE[..., 0]))
    yield "16UC1", WIDE[..., 0], grey(stretch_slowly(WIDE[..., 0]))
    metres = (WIDE[..., 0] / 9000).astype(np.float32)
    metres[0, 0], metres[1, 1] = np.nan, np.inf
    yield "32FC1", metres, grey(stretch_slowly(metres))
    solid = np.broadcast_to(np.array(SOLID, np.uint8), (H, W, 3))
    for pattern in ("rggb", "bggr", "gbrg", "grbg"):
        yield f"bayer_{pattern}8", solid_bayer(pattern, np.uint8, 1), solid
        yield f"bayer_{pattern}16", solid_bayer(pattern, np.uint16, 257), solid


def stretch_slowly(values):
    valid = sorted(float(v) for v in values.ravel() if np.isfinite(v) and v != 0)

    def percentile(p):
        place = (len(valid) - 1) * p / 100
        low = int(place)
        high = min(low + 1, len(valid) - 1)
        return valid[low] + (valid[high] - valid[low]) * (place - low)

    low, high = percentile(1), percentile(99)
    out = np.zeros(values.shape, np.uint8)
    for index, v in np.ndenumerate(values):
        if np.isfinite(v) and v != 0:
            out[index] = round(min(max((float(v) - low) / (high - low), 0), 1) * 255)
    return out


def as_bytes(array, *, big_endian=False, padding=0):
    """Rows as a camera driver with aligned rows would send them."""
    array = np.ascontiguousarray(array)
    if big_endian:
        array = array.astype(array.dtype.newbyteorder(">"))
    rows = array.reshape(array.shape[0], -1)
    junk = b"\xa5" * padding
    return b"".join(row.tobytes() + junk for row in rows), rows.nbytes // len(rows) + padding


CASES = list(cases())


@pytest.mark.parametrize("padding", [0, 1, 10])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("encoding", "sent", "expected"), CASES, ids=[c[0] for c in CASES])
def test_encodings(encoding, sent, expected, big_endian, padding):
    data, step = as_bytes(sent, big_endian=big_endian, padding=padding)
    got = decode_raw(encoding, data, (W, H), step, big_endian=big_endian)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    # 1 grey level where OpenCV computes in float32 and the slow way in float64.
    tolerance = 1 if encoding == "32FC1" else 0
    np.testing.assert_allclose(got.astype(int), expected.astype(int), atol=tolerance)


YUV = ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"]


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", YUV)
def test_yuv_both_orders(encoding, padding):
    rng = np.random.default_rng(5)
    luma = rng.integers(16, 236, (H, W))
    u, v = rng.integers(90, 166, (H, W // 2)), rng.integers(90, 166, (H, W // 2))
    chroma = np.stack([u, v], -1).reshape(H, W)
    pair = [luma, chroma] if encoding in ("yuv422_yuy2", "yuyv") else [chroma, luma]
    data, step = as_bytes(np.stack(pair, -1).astype(np.uint8), padding=padding)
    y, cb, cr = 1.164 * (luma - 16.0), np.repeat(u, 2, 1) - 128.0, np.repeat(v, 2, 1) - 128.0
    expected = np.stack([y + 1.596 * cr, y - 0.813 * cr - 0.391 * cb, y + 2.018 * cb], -1)
    got = decode_raw(encoding, data, (W, H), step)
    assert np.abs(got - expected.clip(0, 255)).max() <= 1.5


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", PLANAR)
def test_yuv_with_rows_of_its_own_for_colour(encoding, padding):
    rng = np.random.default_rng(6)
    luma = rng.integers(16, 236, (H, W))
    u, v = rng.integers(90, 166, (2, H // 2, W // 2))
    chroma = np.stack([u, v] if encoding == "nv12" else [v, u], -1).reshape(H // 2, W)
    data, step = as_bytes(np.concatenate([luma, chroma]).astype(np.uint8), padding=padding)
    cb, cr = (np.kron(plane, np.ones((2, 2))) - 128.0 for plane in (u, v))
    y = 1.164 * (luma - 16.0)
    expected = np.stack([y + 1.596 * cr, y - 0.813 * cr - 0.391 * cb, y + 2.018 * cb], -1)
    got = decode_raw(encoding, data, (W, H), step)
    assert np.abs(got - expected.clip(0, 255)).max() <= 1.5
    with pytest.raises(ConversionError, match=r"step\*height\*3/2"):
        decode_raw(encoding, data[:-1], (W, H), step)
    with pytest.raises(ConversionError, match="both must be even"):
        decode_raw(encoding, data, (W, H - 1), step)


def test_every_supported_encoding_is_tested():
    assert {case[0] for case in CASES} | set(YUV) | set(PLANAR) == set(LAYOUTS)


def test_rgb8_is_a_view():
    data = RGB.tobytes()
    assert np.shares_memory(decode_raw("rgb8", data, (W, H), W * 3), np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("encoding", "size", "wh", "step", "says"),
    [
        ("bgr8", 71, (W, H), 18, "step*height needs 72"),
        ("bgr8", 0, (W, H), 18, "has 0 bytes"),
        ("rgb8", 72, (W, H), 17, "shorter than a row"),
        ("rgb8", 72, (W, H), 0, "shorter than a row"),
        ("mono16", 24, (W, H), 6, "shorter than a row"),
        ("rgb8", 72, (0, H), 18, "zero size"),
        ("rgb8", 72, (W, 0), 18, "zero size"),
        ("yuyv", 40, (5, H), 10, "5x4"),
    ],
)
def test_bad_layouts(encoding, size, wh, step, says):
    with pytest.raises(ConversionError, match=says.replace("*", r"\*")) as caught:
        decode_raw(encoding, bytes(size), wh, step)
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize("encoding", ["", "8UC4", "nv24", "RGB8", "64FC1"])
def test_unsupported_encoding_names_the_supported(encoding):
    with pytest.raises(ConversionError, match=r"supported: rgb8, bgr8.*bayer_grbg16") as caught:
        decode_raw(encoding, bytes(72), (W, H), 18)
    assert caught.value.reason == "unsupported_encoding"


@given(
    encoding=st.sampled_from([*LAYOUTS, "junk"]),
    data=st.binary(max_size=200),
    wh=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    step=st.integers(0, 80),
    big_endian=st.booleans(),
)
def test_any_bytes_give_an_image_or_a_conversion_error(encoding, data, wh, step, big_endian):
    try:
        got = decode_raw(encoding, data, wh, step, big_endian=big_endian)
    except ConversionError:
        return
    assert got.shape == (wh[1], wh[0], 3)
    assert got.dtype == np.uint8


def test_stretch_without_valid_values_or_spread():
    assert not stretch(np.zeros((2, 3), np.uint16)).any()
    assert not stretch(np.full((2, 3), np.nan, np.float32)).any()
    assert not stretch(np.full((2, 3), 7, np.uint16)).any()


def compressed(suffix, bgr, options=()):
    ok, data = cv2.imencode(suffix, bgr, list(options))
    assert ok
    return data.tobytes()


SMOOTH = np.stack(np.meshgrid(np.arange(0, 128, 2), np.arange(0, 96, 2)), -1)
SMOOTH = np.concatenate([SMOOTH, np.full((*SMOOTH.shape[:2], 1), 50)], -1).astype(np.uint8)


def test_png_is_exact_and_jpeg_close():
    png, jpeg = compressed(".png", SMOOTH), compressed(".jpg", SMOOTH)
    assert np.array_equal(decode_compressed("rgb8; png compressed bgr8", png), SMOOTH[..., ::-1])
    difference = decode_compressed("jpeg", jpeg).astype(int) - SMOOTH[..., ::-1]
    assert np.abs(difference).mean() < 3
    # Image transport says so when it encoded RGB as if it were BGR.
    swapped = decode_compressed("rgb8; png compressed rgb8", png)
    assert np.array_equal(swapped, SMOOTH)


def test_compressed_grey_alpha_and_sixteen_bits():
    mono = SMOOTH[..., 0]
    assert np.array_equal(decode_compressed("png", compressed(".png", mono)), grey(mono))
    alpha = np.concatenate([SMOOTH, SMOOTH[..., :1]], 2)
    assert np.array_equal(decode_compressed("png", compressed(".png", alpha)), SMOOTH[..., ::-1])
    wide = mono.astype(np.uint16) * 257
    assert np.array_equal(decode_compressed("png", compressed(".png", wide)), grey(mono))
    depth = decode_compressed("16UC1; png compressed ", compressed(".png", wide))
    assert np.array_equal(depth, grey(stretch(wide)))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.995])
def test_truncated_images_are_refused(suffix, share):
    noisy = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    whole = compressed(suffix, noisy)
    decode_compressed("x", whole)
    with pytest.raises(ConversionError, match="cut off") as caught:
        decode_compressed("x", whole[: int(len(whole) * share)])
    assert caught.value.reason == "corrupt"


def test_progressive_jpeg_and_trailing_padding():
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    progressive = compressed(".jpg", SMOOTH, options)
    assert decode_compressed("jpeg", progressive + bytes(100)).shape == SMOOTH.shape
    with pytest.raises(ConversionError):
        decode_compressed("jpeg", progressive[:-40])


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restarts", [0, 4])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_jpeg_that_was_cut_and_closed_is_corrupt(progressive, restarts, share):
    pixels = cv2.resize(SMOOTH, (320, 240))
    cv2.randn(pixels[::2], (90, 90, 90), (40, 40, 40))
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts]
    whole = compressed(".jpg", pixels, options)
    assert decode_compressed("jpeg", whole).shape == pixels.shape
    with pytest.raises(ConversionError, match="cut off") as caught:
        decode_compressed("jpeg", whole[: int(len(whole) * share)] + b"\xff\xd9")
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize("level", [127, 128, 129])
def test_a_jpeg_that_is_gray_at_its_end_is_no_cut_one(level):
    pixels = np.full((48, 64, 3), level, np.uint8)
    assert decode_compressed("jpeg", compressed(".jpg", pixels)).shape == pixels.shape


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_bayer_pattern_inside_a_compressed_message(pattern, bits):
    mosaic = solid_bayer(pattern, np.uint8 if bits == 8 else np.uint16, 1 if bits == 8 else 257)
    got = decode_compressed(f"bayer_{pattern}{bits}; png compressed ", compressed(".png", mosaic))
    assert np.array_equal(got, np.broadcast_to(np.array(SOLID, np.uint8), (H, W, 3)))
    gray = decode_compressed("mono8; png compressed ", compressed(".png", mosaic))
    assert (gray[..., 0] == gray[..., 1]).all()


def test_sixteen_bits_without_a_word_are_brightness_or_measurements():
    depth = (np.arange(W * H).reshape(H, W) * 100 + 500).astype(np.uint16)
    data = compressed(".png", depth)
    assert np.array_equal(decode_compressed("png", data), grey(stretch(depth)))
    stated = decode_compressed("mono16; png compressed ", data)
    assert np.array_equal(stated, grey(narrow(depth)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "corrupt"),
        (b"RIFF\x00\x00\x00\x00WEBP", "unsupported_encoding"),
        (b"\x00" * 50, "unsupported_encoding"),
        (b"\xff\xd8\xff", "corrupt"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "corrupt"),
    ],
)
def test_no_image(data, reason):
    with pytest.raises(ConversionError) as caught:
        decode_compressed("jpeg", data)
    assert caught.value.reason == reason


@given(head=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), rest=st.binary(max_size=300))
def test_any_compressed_bytes_end_in_a_conversion_error(head, rest):
    with pytest.raises(ConversionError):
        decode_compressed("jpeg", head + rest)


def test_encode_is_the_inverse():
    for encoding in ("rgb8", "bgr8"):
        sent = encode_raw(RGB, encoding)
        data, step = as_bytes(sent)
        assert np.array_equal(decode_raw(encoding, data, (W, H), step), RGB)
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(encode_raw(RGB, "mono8") - luma).max() <= 1
    with pytest.raises(ValueError, match="rgb8, bgr8, mono8"):
        encode_raw(RGB, "yuyv")


@pytest.mark.parametrize("stated", [(30_000, 30_000), (65_535, 65_535), (8_000, 8_001)])
def test_an_image_that_states_too_many_pixels_is_not_decoded(stated):
    data = bytearray(cv2.imencode(".jpg", SMOOTH)[1].tobytes())
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", stated[1], stated[0])
    with pytest.raises(ConversionError, match="at most 64 million are decoded") as caught:
        decode_compressed("jpeg", bytes(data))
    assert caught.value.reason == "corrupt"
