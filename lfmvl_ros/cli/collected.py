# SPDX-License-Identifier: Apache-2.0
"""``lfmvl collected``: keys for encrypted samples of a robot, and the samples decrypted."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from lfmvl_ros.cli.flags import as_path
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.whole_files import check_output_folder

if TYPE_CHECKING:
    from lfmvl_ros.collect.sample import Sample

HELP = (
    "Samples that a node has stored encrypted (collect.public_key): make a key pair, or "
    "decrypt a folder into one in COCO format. Needs pyrage. Samples that are not encrypted are in "
    "COCO format already."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parts = parser.add_subparsers(dest="part", metavar="ACTION", required=True)
    key = parts.add_parser(
        "new-key",
        help="write a private key, print the public one",
        description="Write a private key, print the public one.",
    )
    key.add_argument(
        "file", type=as_path, help="new file for the private key; keep it off the robot"
    )
    decrypt = parts.add_parser(
        "decrypt",
        help="decrypt a folder into one in COCO format",
        description="Decrypt a folder into one in COCO format.",
    )
    decrypt.add_argument("folder", type=as_path, help="the folder of collect.folder, or a copy")
    decrypt.add_argument("--key", type=as_path, required=True, help="file of the private key")
    decrypt.add_argument(
        "--out", type=as_path, required=True, help="folder of the decrypted samples"
    )


def run(args: argparse.Namespace) -> int:
    """Make a key, or decrypt; exit code 1 when some samples could not be decrypted."""
    from lfmvl_ros.collect.sealed import new_key

    if args.part == "new-key":
        print(json_text({"private_key": str(args.file), "public_key": new_key(args.file)}))
        return 0
    check_output_folder(args.out)
    return _decrypt(args.folder, args.key, args.out)


def _decrypt(folder: Path, key: Path, out: Path) -> int:
    from lfmvl_ros.collect.folder import SampleFolder

    samples = _Opened(folder, key)
    found = iter(samples)
    first = next(found, None)
    if first is None:
        raise UserError(
            f"{folder} has no sample that this key decrypts ({samples.refused} files .age there)"
        )
    new = SampleFolder(out, math.inf, math.inf).add_all(chain([first], found))
    print(json_text({"out": str(out), "samples": samples.usable, "new": new,
                     "refused": samples.refused}))  # fmt: skip
    return 1 if samples.refused else 0


class _Opened:
    """The samples of a folder, one after the other; what can't be used is reported and counted."""

    def __init__(self, folder: Path, key: Path) -> None:
        self._folder, self._key = folder, key
        self.usable = self.refused = 0

    def __iter__(self) -> Iterator[Sample]:
        from lfmvl_ros.collect.sealed import opened

        for _, found in opened(self._folder, self._key):
            if isinstance(found, str):
                self.refused += 1
                print(f"lfmvl collected: {safe_text(found)}", file=sys.stderr)
            else:
                self.usable += 1
                yield found
