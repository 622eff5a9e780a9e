# SPDX-License-Identifier: Apache-2.0
"""``lfmvl export``: a checkpoint in the format of another runtime."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.gguf.export import KINDS, export_gguf
from lfmvl_ros.models.hub import local_folder

HELP = (
    "Write an LFM2-VL checkpoint as two GGUF files, language and vision, that llama.cpp's server "
    "runs. The first one is a model of its own: `--model OUT/<name>-<type>.gguf`."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", help="checkpoint: a directory, a catalogue name such as bundled, or a hub id"
    )
    parser.add_argument("out", type=Path, help="directory to write to")
    parser.add_argument("--format", choices=("gguf",), default="gguf", help="default: gguf")
    parser.add_argument(
        "--type",
        choices=KINDS,
        default="f16",
        help="precision of the weights: f16 (default) answers as transformers does; q8_0 and q4_0 "
        "are smaller and faster, and change some answers; f32 is for comparison",
    )
    parser.add_argument("--name", help="stem of the files (default: name of the checkpoint)")


def run(args: argparse.Namespace) -> int:
    """Write the files and print their paths; exit code 0."""
    entry = find(args.model)
    folder = local_folder(args.model)
    name = args.name or (entry.name if entry else folder.resolve().name)
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"--name may hold letters, digits, '_', '-' and '.'; got {name!r}")
    files = export_gguf(
        folder, args.out, args.type, name=name, catalogue_name=entry.name if entry else ""
    )
    for path in (files.text, files.mmproj, files.facts):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    return 0
