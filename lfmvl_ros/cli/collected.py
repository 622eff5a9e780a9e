# SPDX-License-Identifier: Apache-2.0
"""``lfmvl collected``: keys for encrypted samples of a robot, and the samples decrypted."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text

HELP = (
    "Samples that a node has stored encrypted (collect.public_key): make a pair of keys, or "
    "decrypt a folder into one in COCO format. Needs pyrage. Samples that are not encrypted are in "
    "COCO format already."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    key = parts.add_parser("new-key", help="write a private key, print the public one")
    key.add_argument("file", type=Path, help="new file for the private key; keep it off the robot")
    decrypt = parts.add_parser("decrypt", help="decrypt a folder into one in COCO format")
    decrypt.add_argument("folder", type=Path, help="the folder of collect.folder, or a copy")
    decrypt.add_argument("--key", type=Path, required=True, help="file of the private key")
    decrypt.add_argument("--out", type=Path, required=True, help="folder of the decrypted samples")


def run(args: argparse.Namespace) -> int:
    """Make a key, or decrypt; exit code 1 when some samples could not be decrypted."""
    from lfmvl_ros.collect.folder import SampleFolder
    from lfmvl_ros.collect.sealed import new_key, opened

    if args.part == "new-key":
        print(json_text({"private_key": str(args.file), "public_key": new_key(args.file)}))
        return 0
    samples, refused = [], 0
    for path, sample in opened(args.folder, args.key):
        if sample is None:
            refused += 1
            print(f"lfmvl collected: {path} can't be decrypted with this key", file=sys.stderr)
        else:
            samples.append(sample)
    if not samples:
        raise UserError(
            f"{args.folder} has no sample that this key decrypts ({refused} files .age there)"
        )
    new = SampleFolder(args.out, math.inf, math.inf).add_all(samples)
    print(json_text({"out": str(args.out), "samples": len(samples), "new": new,
                     "refused": refused}))  # fmt: skip
    return 1 if refused else 0
