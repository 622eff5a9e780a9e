# SPDX-License-Identifier: Apache-2.0
"""Writes video files that OpenCV can't: with frames at any times, and of any codec's name."""

import cv2
import numpy as np

LEVELS = [0, 20, 40, 60, 80, 100]
TIMES_MS = [0, 40, 80, 500, 540, 30_000]


def _number(value):
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def _element(identity, content):
    return bytes.fromhex(identity) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def matroska(levels, times_ms, codec="V_MJPEG", wh=(64, 48)):
    """Bytes of a Matroska file (RFC 9559): a Motion JPEG frame of each brightness at each time."""
    image = _element("B0", _number(wh[0])) + _element("BA", _number(wh[1]))
    track = _element("D7", b"\x01") + _element("73C5", b"\x01") + _element("83", b"\x01")
    track += _element("86", codec.encode()) + _element("E0", image)
    segment = _element("1549A966", _element("2AD7B1", _number(1_000_000)))
    segment += _element("1654AE6B", _element("AE", track))
    for level, time_ms in zip(levels, times_ms, strict=True):
        frame = cv2.imencode(".jpg", np.full((wh[1], wh[0], 3), level, np.uint8))[1].tobytes()
        block = _element("A3", b"\x81\x00\x00\x80" + frame)
        segment += _element("1F43B675", _element("E7", _number(time_ms)) + block)
    header = _element("42F7", b"\x01") + _element("4282", b"matroska") + _element("4287", b"\x04")
    return _element("1A45DFA3", header) + _element("18538067", segment)
