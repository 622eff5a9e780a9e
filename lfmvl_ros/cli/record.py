# SPDX-License-Identifier: Apache-2.0
"""``lfmvl record``: a bag of camera images from scenes, a video or a folder, without ROS."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from lfmvl_ros.bags.names import is_full_name
from lfmvl_ros.cli.flags import as_path
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
    add("--seconds", type=float, default=4.0, help="length, s (default 4)")
    add("--fps", type=float, default=15.0, help="images a second (default 15)")
    add("--seed", type=int, default=7, help="of the rendered scene (default 7)")
    add("--compressed", action="store_true", help="as JPEG, on image_raw/compressed")
    add("--truth", action="store_true",
        help="of a rendered scene: also what is really in each image, with ids, on truth, for "
        "`lfmvl evaluate BAG`")  # fmt: skip
    add("--topic", default="/camera/image_raw", help="default /camera/image_raw")


def run(args: argparse.Namespace) -> int:
    """Record; exit code 0."""
    length = args.seconds * args.fps if args.seconds > 0 and args.fps > 0 else 0.0
    if not 0.5 < length <= _MOST:  # infinity can't be rounded
        raise UserError(f"--seconds times --fps must give 1 to {_MOST} images, got {length:g}")
    frames = round(length)
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
