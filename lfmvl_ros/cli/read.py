# SPDX-License-Identifier: Apache-2.0
"""``lfmvl read``: the text in an image, read once."""

from __future__ import annotations

import argparse
import sys

from lfmvl_ros.cli.flags import as_path
from lfmvl_ros.core.readings.voting import vote
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.viz.video import read_image

HELP = (
    "Read the text in an image, as the node reads crops of tracked objects: a line for each, with "
    "its confidence; the last line is JSON."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("image", type=as_path, help="image file, ideally a crop of one object")


def run(args: argparse.Namespace) -> int:
    """Read; exit code 0 when there is text, else 1 with a reason on stderr."""
    pixels = read_image(args.image)
    from lfmvl_ros.core.readings import CropReading
    from lfmvl_ros.core.transparency import over_background
    from lfmvl_ros.models.text_reader import RapidTextReader, why_nothing

    reader = RapidTextReader()
    found = vote([CropReading(reader.read(pixels))])
    if not found.lines and (flattened := over_background(args.image)) is not None:
        pixels, share = flattened
        print(f"note: {share:.0%} of {args.image} is transparent; it is read over a plain "
              "background", file=sys.stderr)  # fmt: skip
        found = vote([CropReading(reader.read(pixels))])
    for line in found.lines:
        print(f"{line.confidence:.2f}  {line.text}")
    if not found.lines:
        print(f"note: no text in {args.image}: {why_nothing(pixels)}", file=sys.stderr)
    lines = [{"text": line.text, "confidence": round(line.confidence, 4)} for line in found.lines]
    print(json_text({"lines": lines}))
    return 0 if lines else 1
