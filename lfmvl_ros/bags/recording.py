# SPDX-License-Identifier: Apache-2.0
"""Write the images of a source into a bag, with what a simulated camera knows beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lfmvl_ros.bags.messages import CAMERA_INFO, DETECTIONS, Messages
from lfmvl_ros.bags.reading import COMPRESSED, RAW
from lfmvl_ros.bags.types import typestore
from lfmvl_ros.bags.writing import BagWriter
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.sensors.camera_view import CameraView, ViewSource
from lfmvl_ros.ros.sensors.image_sources import ImageSource

BEGIN_NS = 1_700_000_000 * 10**9
FRAME_ID = "camera"


@dataclass(frozen=True)
class RecordOptions:
    """What is written of each image.

    Attributes:
        topic: of the raw images; other topics have its namespace.
        fps: images a second, > 0.
        compressed: images as JPEG, on ``topic/compressed``.
        truth: the objects that are really there, on ``truth``.
    """

    topic: str
    fps: float
    compressed: bool = False
    truth: bool = False

    @property
    def images(self) -> str:
        """The topic that images are written to."""
        return f"{self.topic}/compressed" if self.compressed else self.topic

    def beside(self, name: str) -> str:
        """Return a topic in the namespace of the images."""
        return f"{self.topic.rpartition('/')[0]}/{name}"


def record(
    bag: BagWriter, source: ImageSource, options: RecordOptions, indices: Iterable[int]
) -> int:
    """Write images until the source ends; return how many were written.

    Args:
        bag: that is written.
        source: of the images.
        options: what is written.
        indices: of the images, from 0 on.

    Raises:
        UserError: the source does not know what the options ask for, or the bag can't be written.
    """
    if options.truth and not isinstance(source, ViewSource):
        raise UserError("--truth needs a rendered scene, whose objects are known")
    made, written = Messages(typestore()), 0
    for index in indices:
        view = _view(source, options)
        if view is None:
            break
        stamp_ns = BEGIN_NS + round(index * 1e9 / options.fps)
        _write(bag, made, view, options, source, stamp_ns)
        written += 1
    return written


def _view(source: ImageSource, options: RecordOptions) -> CameraView | None:
    if options.truth and isinstance(source, ViewSource):
        return source.read_view(depth=True)
    pixels = source.read()
    return None if pixels is None else CameraView.of_pixels(pixels)


def _write(
    bag: BagWriter, made: Messages, view: CameraView, options: RecordOptions, source: ImageSource,
    stamp_ns: int,
) -> None:  # fmt: skip
    wh = (view.pixels.shape[1], view.pixels.shape[0])
    lens = made.camera_info(stamp_ns, FRAME_ID, wh, source.intrinsics(wh))
    bag.write(options.beside("camera_info"), CAMERA_INFO, lens, stamp_ns)
    if options.compressed:
        image = made.jpeg(encode_jpeg(view.pixels), stamp_ns, FRAME_ID)
        bag.write(options.images, COMPRESSED, image, stamp_ns)
    else:
        bag.write(options.images, RAW, made.image(view.pixels, stamp_ns, FRAME_ID), stamp_ns)
    if options.truth:
        truth = made.truth(stamp_ns, FRAME_ID, view.truth)
        bag.write(options.beside("truth"), DETECTIONS, truth, stamp_ns)
