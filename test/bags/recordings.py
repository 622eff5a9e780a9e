# SPDX-License-Identifier: Apache-2.0
"""Small bags with real message types, and a model that sees the white square on their images."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from lfmvl_ros.bags.messages import CAMERA_INFO, Messages
from lfmvl_ros.bags.reading import COMPRESSED, RAW
from lfmvl_ros.bags.types import typestore
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.reply import Reply, StageTimes

BEGIN_NS = 1_700_000_000 * 10**9
PERIOD_NS = 50_000_000
WH = (160, 120)


def pixels_at(index: int) -> np.ndarray:
    """A textured background, and a bright square that moves 2 px an image."""
    rng = np.random.default_rng(5)
    image = rng.integers(40, 90, (WH[1], WH[0], 3), dtype=np.uint8)
    left = 20 + 2 * index
    image[40:72, left : left + 32] = rng.integers(170, 250, (32, 32, 3), dtype=np.uint8)
    return image


def bag(
    path: Path,
    *,
    count: int = 20,
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode | None = None,
    kind: str = RAW,
    topics: Sequence[str] = ("/camera/image_raw",),
    change: Callable[[int, Any], Any] = lambda _index, message: message,
    info: bool = True,
) -> Path:
    store = typestore()
    made = Messages(store)
    writer = Writer(path, version=9, storage_plugin=plugin)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        infos = {
            topic: writer.add_connection(
                f"{topic.rpartition('/')[0]}/camera_info", CAMERA_INFO, typestore=store
            )
            for topic in topics
            if info
        }
        suffix = "/compressed" if kind == COMPRESSED else ""
        images = {t: writer.add_connection(t + suffix, kind, typestore=store) for t in topics}
        for index in range(count):
            for late, topic in enumerate(topics):
                stamp_ns = BEGIN_NS + index * PERIOD_NS + late
                if info:
                    lens = made.camera_info(stamp_ns, "lens", WH, (150.0, 150.0, 80.0, 60.0))
                    writer.write(infos[topic], stamp_ns, store.serialize_cdr(lens, CAMERA_INFO))
                if kind == COMPRESSED:
                    message = made.jpeg(encode_jpeg(pixels_at(index), 95), stamp_ns, "lens")
                else:
                    message = made.image(pixels_at(index), stamp_ns, "lens")
                message = change(index, message)
                writer.write(images[topic], stamp_ns, store.serialize_cdr(message, kind))
    return path


class SquareFinder:
    """A model that names the bright square, as fast or slow as it is told."""

    name, template = "square finder", CARD_TEMPLATE

    def __init__(self, wait_s: Callable[[int], float] = lambda _: 0.0) -> None:
        self._wait_s, self.calls = wait_s, 0
        self.coordinates = CoordinateScale()

    def ground(self, frames: Sequence[Frame], prompts: Sequence[Any], **_: Any) -> list[Reply]:
        self.calls += 1
        time.sleep(self._wait_s(self.calls))
        return [self._reply(frame) for frame in frames]

    def _reply(self, frame: Frame) -> Reply:
        rows, columns = np.nonzero(frame.pixels.min(axis=2) > 150)
        width, height = frame.wh
        box = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width,
               (rows.max() + 1) / height]  # fmt: skip
        text = json.dumps([{"label": "square", "bbox": [round(float(v), 3) for v in box]}])
        return Reply(text, times=StageTimes(decode_s=0.12), model=self.name)

    def image_rules(self, _wanted: Any) -> None:
        return None

    def close(self) -> None:
        """Nothing to free."""
