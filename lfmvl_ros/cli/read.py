# SPDX-License-Identifier: Apache-2.0
"""``lfmvl read``: the text in an image, read once."""

from __future__ import annotations

import argparse

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
    """Read; exit code 0 when there is text, else 1."""
    pixels = read_image(args.image)
    from lfmvl_ros.core.readings import CropReading
    from lfmvl_ros.models.text_reader import RapidTextReader

    reader = RapidTextReader()
    found = vote([CropReading(reader.read(pixels))])
    for line in found.lines:
        print(f"{line.confidence:.2f}  {line.text}")
    lines = [{"text": line.text, "confidence": round(line.confidence, 4)} for line in found.lines]
    print(json_text({"lines": lines}))
    return 0 if lines else 1
