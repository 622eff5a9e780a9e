# SPDX-License-Identifier: Apache-2.0
"""``lfmvl record``: a bag of camera images from scenes, a video or a folder, without ROS."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from lfmvl_ros.bags.names import is_full_name
from lfmvl_ros.cli.flags import as_path, number, whole_number
from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text

HELP = (
    "Write a bag (MCAP) with the images and the calibration of a camera: a rendered scene, a video "
    "file or a folder of images. For `lfmvl replay`, `ros2 bag play` and Foxglove."
)
_MOST = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("out", type=as_path, metavar="BAG", help="folder of the new bag")
    add("--camera", default="scene", help="scene (default), a video file, or a folder of images")
    add("--seconds", type=number(0.001, 86_400, "s"), default=4.0, help="length, s")
    add("--fps", type=number(0.01, 240, "Hz"), default=15.0, help="images a second")
    add(
        "--seed",
        type=whole_number(),
        default=7,
        help="random seed of the rendered scene",
    )
    add("--compressed", action="store_true", help="write JPEG images, on image_raw/compressed")
    add("--truth", action="store_true",
        help="of a rendered scene: also write what is in each image, with ids, on the topic "
        "truth, for `lfmvl evaluate BAG`")  # fmt: skip
    add(
        "--topic",
        default="/camera/image_raw",
        help="topic of the images",
    )


def run(args: argparse.Namespace) -> int:
    """Record; exit code 0."""
    frames = round(args.seconds * args.fps)
    if not 1 <= frames <= _MOST:
        raise UserError(f"--seconds times --fps must give 1 to {_MOST} images, got {frames}")
    if args.topic.count("/") < 2 or not is_full_name(args.topic):
        raise UserError(f"--topic must be a topic such as /camera/image_raw, got {args.topic!r}")
    from lfmvl_ros.bags.recording import RecordOptions, record
    from lfmvl_ros.bags.writing import new_bag
    from lfmvl_ros.ros.sensors.image_sources import open_source

    options = RecordOptions(args.topic, args.fps, args.compressed, args.truth)
    settings = CameraSettings().updated(
        {"source": args.camera, "seed": args.seed, "rate_hz": args.fps}
    )
    source = open_source(settings)
    try:
        with new_bag(args.out) as bag:
            bar = tqdm(range(frames), unit="image", disable=None)
            written = record(bag, source, options, bar)
            if not written:
                raise UserError(f"{args.camera!r} has no image that can be read")
    finally:
        source.close()
    print(json_text({"bag": str(args.out), "topic": options.images, "images": written}))
    return 0
