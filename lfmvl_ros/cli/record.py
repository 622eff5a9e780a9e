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
_BEGIN_NS = 1_700_000_000 * 10**9
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
    add("--topic", default="/camera/image_raw", help="default /camera/image_raw")


def run(args: argparse.Namespace) -> int:
    """Record; exit code 0."""
    length = args.seconds * args.fps if args.seconds > 0 and args.fps > 0 else 0.0
    if not 0.5 < length <= _MOST:  # infinity can't be rounded
        raise UserError(f"--seconds times --fps must give 1 to {_MOST} images, got {length:g}")
    frames = round(length)
    if args.topic.count("/") < 2 or not is_full_name(args.topic):
        raise UserError(f"--topic is like /camera/image_raw, got {args.topic!r}")
    from lfmvl_ros.bags.messages import CAMERA_INFO, Messages
    from lfmvl_ros.bags.reading import COMPRESSED, RAW
    from lfmvl_ros.bags.types import typestore
    from lfmvl_ros.bags.writing import new_bag
    from lfmvl_ros.ros.sensors.image_sources import open_source
    from lfmvl_ros.ros.sensors.pixels import encode_jpeg

    made = Messages(typestore())
    topic = f"{args.topic}/compressed" if args.compressed else args.topic
    info = f"{args.topic.rpartition('/')[0]}/camera_info"
    settings = CameraSettings().updated(
        {"source": args.camera, "seed": args.seed, "rate_hz": args.fps}
    )
    source = open_source(settings)
    written = 0
    try:
        with new_bag(args.out) as bag:
            for index in tqdm(range(frames), unit="image", disable=None):
                pixels = source.read()
                if pixels is None:
                    break
                stamp_ns = _BEGIN_NS + round(index * 1e9 / args.fps)
                wh = (pixels.shape[1], pixels.shape[0])
                lens = made.camera_info(stamp_ns, "camera", wh, source.intrinsics(wh))
                bag.write(info, CAMERA_INFO, lens, stamp_ns)
                if args.compressed:
                    image = made.jpeg(encode_jpeg(pixels), stamp_ns, "camera")
                    bag.write(topic, COMPRESSED, image, stamp_ns)
                else:
                    bag.write(topic, RAW, made.image(pixels, stamp_ns, "camera"), stamp_ns)
                written += 1
            if not written:
                raise UserError(f"{args.camera!r} has no image that can be read")
    finally:
        source.close()
    print(json_text({"bag": str(args.out), "topic": topic, "images": written}))
    return 0
