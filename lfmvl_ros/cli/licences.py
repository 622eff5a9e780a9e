# SPDX-License-Identifier: Apache-2.0
"""``lfmvl licences``: what the weights, packages and data sets that are used may be used for."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from lfmvl_ros.cli.flags import as_path
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.whole_files import check_output, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lfmvl_ros.licences.item import Licensed

HELP = (
    "List the licences (SPDX) of the weights (the text reader's, too, where it is installed), of "
    "every Python package of this environment and of the data sets that the model's card names, "
    "and what the weights' licence demands. The last line printed is a JSON summary. Exit code 1: "
    "the licence of something is unknown."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--model", action="append", metavar="M",
        help="whose weights; give it again for several (default: the node's default model and "
        "bundled)")  # fmt: skip
    add("--known", type=as_path, metavar="YAML",
        help="lines `name: SPDX expression` for what you have looked up yourself")  # fmt: skip
    add("--out", type=as_path, metavar="JSON", help="also write the whole list into this file")


def run(args: argparse.Namespace) -> int:
    """Print the licences; exit code 1 when one is unknown."""
    try:
        from lfmvl_ros.licences.item import KNOWN_FILE, read_known
        from lfmvl_ros.licences.packages import installed_packages
        from lfmvl_ros.licences.weights import weights_and_data
        from lfmvl_ros.licences.wheel_weights import weights_in_wheels
    except ImportError as error:
        raise UserError(f"{error}; install a newer one: pip install 'packaging>=24.2'") from error
    from lfmvl_ros.core.config import PerceptionSettings

    if args.out is not None:
        check_output(args.out)
    listed = read_known(KNOWN_FILE)
    own = read_known(args.known) if args.known is not None else {}
    known = listed | own
    items: list[Licensed] = []
    usual = (PerceptionSettings().model, "bundled")
    for model in usual if args.model is None else args.model:
        items += [item for item in weights_and_data(model, known) if item not in items]
    items += weights_in_wheels(known)
    items += installed_packages(own, listed)
    _print(items)
    unknown = [item.name for item in items if not item.licence]
    if args.out is not None:
        write_json(args.out, {"schema": "lfmvl/licences/1", "unknown": unknown,
                              "items": [item.to_dict() for item in items]})  # fmt: skip
    counts = Counter(item.kind for item in items)
    print(json_text({"counts": dict(counts), "unknown": unknown}))
    return 1 if unknown else 0


def _print(items: Sequence[Licensed]) -> None:
    wide = max(len(f"{item.name} {item.version}") for item in items)
    for item in items:
        name = safe_text(f"{item.name} {item.version}").ljust(wide)
        licence = item.licence or "UNKNOWN"
        print(f"{item.kind:<8} {name}  {licence}  ({safe_text(item.source)})")
        for demand in item.demands:
            print(f"{'':<8}   - {demand}")
