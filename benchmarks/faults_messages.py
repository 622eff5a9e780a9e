# SPDX-License-Identifier: Apache-2.0
"""Messages of no sound driver: sizes that do not fit, random bytes, numbers that are none."""

from __future__ import annotations

import json
import math
import time
from random import Random
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from faults_files import WH, pixels
from faults_mutations import mutated
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2D, Detection2DArray, Detection3D, Detection3DArray

from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.review import ReviewAnswer, ReviewVerdict
from lfmvl_ros.ros import conversions

_ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "mono8", "mono16", "16UC1", "32FC1", "64FC1", "8UC1", "8UC3", "8UC7",
    "yuv422", "yuv422_yuy2", "nv12", "nv21", "bayer_rggb8", "bayer_gbrg16", "", "rgb8\0", "\u202e",
)  # fmt: skip
_SIDES = (0, 1, 2, 3, 63, 64, 96, 97, 4096, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
_FORMATS = (
    "jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth", "32FC1; compressedDepth "
    "png", "", "x" * 1000, "bayer_rggb8; png compressed", "mono16; tiff compressed",
)  # fmt: skip
_NUMBERS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e308, -1e308, 1.0, 0.5, 1e9, -1.0)
_FRAMES = ("lens", "map", "odom", "", "x" * 500, "a\0b", "/lens", "\u202e", "base link")


class Messages:
    """Makes messages.

    Args:
        rng: all that is random.
        documents: JSON texts that are damaged for topics of type String.
    """

    def __init__(self, rng: Random, documents: dict[str, list[str]]) -> None:
        self._rng, self._documents = rng, documents

    def number(self) -> float:
        """Return a number, sound or not."""
        rng = self._rng
        return rng.choice(_NUMBERS) if rng.random() < 0.5 else rng.uniform(-5, 5)

    def header(self) -> Header:
        """Return a header: a stamp of now more often than not."""
        rng = self._rng
        now_ns = time.time_ns()
        stamp = Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9)
        if rng.random() < 0.3:
            stamp = Time(sec=rng.choice((0, -1, 2**31 - 1, -(2**31), 1)),
                         nanosec=rng.choice((0, 10**9, 2**32 - 1, 5)))  # fmt: skip
        return Header(stamp=stamp, frame_id=rng.choice(_FRAMES))

    def image(self) -> Image:
        """Return an image whose width, height, step, encoding and data need not agree."""
        rng = self._rng
        made = conversions.to_image(pixels(rng.randrange(20)), time.time_ns(), "lens")
        made.header = self.header()
        for field in ("width", "height", "step"):
            if rng.random() < 0.4:
                setattr(made, field, rng.choice(_SIDES))
        if rng.random() < 0.6:
            made.encoding = rng.choice(_ENCODINGS)
        if rng.random() < 0.3:
            made.is_bigendian = rng.randrange(256)
        if rng.random() < 0.5:
            made.data = rng.randbytes(rng.choice((0, 1, 7, 18_431, 18_432, 18_433, 100_000)))
        return made

    def depth(self) -> Image:
        """Return a depth image, likewise."""
        made = self.image()
        if self._rng.random() < 0.5:
            made.encoding = self._rng.choice(("16UC1", "32FC1", "mono16"))
            made.width, made.height = WH
            made.step = WH[0] * (2 if made.encoding != "32FC1" else 4)
            made.data = self._rng.randbytes(made.step * made.height)
        return made

    def compressed(self) -> CompressedImage:
        """Return a compressed image that is damaged."""
        data, _ = mutated(encode_jpeg(pixels(self._rng.randrange(20))), ".jpg", self._rng)
        return CompressedImage(
            header=self.header(), format=self._rng.choice(_FORMATS), data=data[:1_000_000]
        )

    def camera_info(self) -> CameraInfo:
        """Return a calibration with any numbers."""
        rng = self._rng
        made = CameraInfo(header=self.header(), width=WH[0], height=WH[1])
        made.k = [90.0, 0.0, 48.0, 0.0, 90.0, 32.0, 0.0, 0.0, 1.0]
        made.p = [90.0, 0.0, 48.0, 0.0, 0.0, 90.0, 32.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        made.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        for values in (made.k, made.p, made.r):
            for _ in range(rng.choice((0, 0, 1, 9))):
                values[rng.randrange(len(values))] = self.number()
        made.d = [self.number() for _ in range(rng.choice((0, 4, 5, 8, 14, 200)))]
        made.distortion_model = rng.choice(("plumb_bob", "equidistant", "", "x" * 300))
        for field in ("width", "height", "binning_x", "binning_y"):
            if rng.random() < 0.2:
                setattr(made, field, rng.choice(_SIDES))
        for field in ("x_offset", "y_offset", "width", "height"):
            if rng.random() < 0.2:
                setattr(made.roi, field, rng.choice(_SIDES))
        return made

    def imu(self) -> Imu:
        """Return rates of any size."""
        made = Imu(header=self.header())
        for axis in "xyz":
            setattr(made.angular_velocity, axis, self.number())
            setattr(made.linear_acceleration, axis, self.number())
        made.angular_velocity_covariance[0] = self.number()
        return made

    def transforms(self) -> TFMessage:
        """Return transforms between frames that need not exist, with any rotation."""
        made = []
        for _ in range(self._rng.choice((0, 1, 1, 3, 200))):
            item = TransformStamped(header=self.header())
            item.child_frame_id = self._rng.choice(_FRAMES)
            for axis in "xyz":
                setattr(item.transform.translation, axis, self.number())
            for axis in "xyzw":
                setattr(item.transform.rotation, axis, self.number())
            made.append(item)
        return TFMessage(transforms=made)

    def text(self, kind: str) -> String:
        """Return a damaged document of a kind, or what is none."""
        rng = self._rng
        text = rng.choice(self._documents[kind])
        if rng.random() < 0.9:
            data, _ = mutated(text.encode(), ".json", rng)
            text = data.decode("utf-8", "replace").replace("\0", " ")
        return String(data=text[:300_000])

    def detections(self) -> Detection2DArray:
        """Return boxes with any numbers."""
        made = Detection2DArray(header=self.header())
        for number in range(self._rng.choice((0, 1, 50))):
            item = Detection2D(id=self._rng.choice((str(number), "", "x" * 1000, "\u202e")))
            item.bbox.size_x, item.bbox.size_y = self.number(), self.number()
            item.bbox.center.position.x = self.number()
            made.detections.append(item)
        return made

    def solids(self) -> Detection3DArray:
        """Return boxes in metres with any numbers."""
        made = Detection3DArray(header=self.header())
        for number in range(self._rng.choice((0, 1, 50))):
            item = Detection3D(id=self._rng.choice((str(number), "", "x" * 1000)))
            for axis in "xyz":
                setattr(item.bbox.size, axis, self.number())
                setattr(item.bbox.center.position, axis, self.number())
            item.bbox.center.orientation.w = self.number()
            made.detections.append(item)
        return made


def good_image(number: int) -> Image:
    """Return a sound image of now."""
    return conversions.to_image(np.ascontiguousarray(pixels(number % 20)), time.time_ns(), "lens")


def documents() -> dict[str, list[str]]:
    """Return sound documents of each kind of String topic."""
    stamp = {"sec": 5, "nanosec": 0}
    track = {"id": 1, "label": "red tote", "state": "confirmed", "confidence": 0.9,
             "bbox": [0.1, 0.1, 0.5, 0.5], "velocity": [0.0, 0.0]}  # fmt: skip
    states = {"stamp": stamp, "width": 96, "height": 64, "tracks": [track]}
    grounding = {"status": "ok", "query": "red tote", "model": "m", "timing": {"total_ms": 5.0}}
    commands: list[Any] = [
        {"id": "a", "calls": [{"name": "look_for", "arguments": {"labels": ["red tote"]}}]},
        {"id": "b", "calls": [{"name": "find", "arguments": {"label": "red tote", "seconds": 1}}]},
        {"id": "c", "calls": [{"name": "describe", "arguments": {}}]},
        {"id": "d", "calls": [{"name": "follow", "arguments": {"track": 1}}]},
        {"cancel": "b"}, {"text": "look for a red tote"},
    ]  # fmt: skip
    answer = ReviewAnswer("0" * 16, ReviewVerdict.YES).to_dict()
    return {
        "track_states": [json.dumps(states)],
        "grounding": [json.dumps(grounding)],
        "command": [*map(json.dumps, commands), "look_for(labels=['red tote'])"],
        "review_answers": [json.dumps(answer)],
        "query": ["red tote", "person, forklift", ", ".join(f"thing {n}" for n in range(80))],
    }
