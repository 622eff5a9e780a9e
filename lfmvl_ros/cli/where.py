# SPDX-License-Identifier: Apache-2.0
"""``lfmvl where LABEL``: where an object was last seen, from the memory of a node."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lfmvl_ros.cli.flags import as_count, as_path
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.core.safe_text import json_text, quoted, safe_text
from lfmvl_ros.core.settings import nearest_name
from lfmvl_ros.core.whole_files import check_output, write_whole

HELP = (
    "Say where objects of a label were last seen, from the file that a node writes with "
    "memory.file (docs/memory.md). One line for each, then all as JSON. Exit code 1 when none is "
    "remembered."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("label", help="what to look up, such as 'red tote'")
    parser.add_argument(
        "--file",
        type=as_path,
        default=Path("out/memory.db"),
        help="the node's memory.file (default out/memory.db)",
    )
    parser.add_argument(
        "--most", type=as_count, default=1, metavar="N", help="how many objects (default 1)"
    )
    parser.add_argument(
        "--crop",
        type=as_path,
        metavar="JPEG",
        help="write the image of the object seen last into this file",
    )


def run(args: argparse.Namespace) -> int:
    """Print; exit code 0, or 1 when nothing is remembered."""
    if not args.label.strip():
        raise UserError("the label is empty; name one, such as 'red tote'")
    if args.crop is not None:
        check_output(args.crop, {".jpg", ".jpeg"})
    store = MemoryStore(args.file, read_only=True)
    try:
        found, now_s = store.last(args.label, args.most), time.time()
        if not found:
            print(_nothing(args.label, store.labels()), file=sys.stderr)
            return 1
    finally:
        store.close()
    if args.crop is not None and not found[0].jpeg:
        raise UserError(
            f"{args.file} has no image of that {quoted(found[0].label)}; leave out --crop"
        )
    if args.crop is not None:
        write_whole(args.crop, found[0].jpeg)
    for one in found:
        print(safe_text(one.in_words(now_s)))
    print(json_text({"objects": [one.to_dict(now_s) for one in found]}))
    return 0


def _nothing(label: str, known: list[str]) -> str:
    near = nearest_name(label, known)
    hint = f"; did you mean {quoted(near)}?" if near else ""
    if not near and known:
        hint = f"; remembered are {safe_text(', '.join(known[:20]))}"
    return f"lfmvl where: no {quoted(label)} is remembered{hint}"
