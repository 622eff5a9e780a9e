# SPDX-License-Identifier: Apache-2.0
"""``lfmvl export``: a checkpoint in the format of another runtime."""

from __future__ import annotations

import argparse
import re

from lfmvl_ros.cli.flags import add_setting_flags, as_path, settings_from
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.whole_files import check_output_folder
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
    parser.add_argument("out", type=as_path, help="directory to write to")
    parser.add_argument("--format", choices=("gguf",), default="gguf", help="format of the files")
    parser.add_argument(
        "--type",
        choices=KINDS,
        default="f16",
        help="precision of the weights: f16 (default) answers as transformers does; q8_0 and q4_0 "
        "are smaller and faster, and change some answers; f32 is for comparison",
    )
    add_setting_flags(parser, [PerceptionSettings.describe()["revision"]])
    parser.add_argument("--name", help="stem of the files (default: name of the checkpoint)")


def run(args: argparse.Namespace) -> int:
    """Write the files and print their paths; exit code 0."""
    entry = find(args.model)
    folder = local_folder(args.model, settings_from(args).revision)
    name = args.name
    if name is None:
        name = entry.name if entry else folder.resolve().name
    if not re.fullmatch(r"\w[\w.-]{0,199}", name):
        raise UserError(f"--name may hold letters, digits, '_', '-' and '.'; got {quoted(name)}")
    check_output_folder(args.out)
    files = export_gguf(
        folder, args.out, args.type, name=name, catalogue_name=entry.name if entry else ""
    )
    for file in (files.text, files.mmproj, files.facts):
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    return 0
