# SPDX-License-Identifier: Apache-2.0
"""``lfmvl models``: the known checkpoints, or all that is known about one of them."""

from __future__ import annotations

import argparse
from dataclasses import fields

import yaml

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.models.catalog import CatalogEntry, catalog, find
from lfmvl_ros.models.model_name import split_name

HELP = "List the checkpoints of the catalogue, or print all that is known about one."
_COLUMNS = ("model", "boxes", "coordinates", "thinks", "sampling", "GGUF")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="?", help="a checkpoint: print its entry as YAML")
    parser.add_argument("--markdown", action="store_true", help="print the documentation's table")


def run(args: argparse.Namespace) -> int:
    """Print; return 0."""
    if args.name is not None:
        print(yaml.safe_dump(document_of(_known(args.name)), sort_keys=False, width=100), end="")
        return 0
    print(to_markdown() if args.markdown else _to_text(), end="")
    return 0


def _known(name: str) -> CatalogEntry:
    entry = find(split_name(name).checkpoint)
    if entry is None:
        names = ", ".join(known.name for known in catalog())
        raise UserError(f"the catalogue has no {quoted(name)}; it has {names}")
    return entry


def document_of(entry: CatalogEntry) -> dict[str, object]:
    """Return an entry as its YAML file would state it; what is empty is left out."""
    template = entry.template
    said = {field.name: getattr(entry, field.name) for field in fields(entry)}
    said["template"] = {
        "text": template.text,
        "scale": template.scale or "unknown",
        "decimals": template.decimals,
    }
    said["recommended"] = dict(entry.recommended)
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in said.items()}
    return {key: value for key, value in plain.items() if value not in ("", [], {}, 0)}


def _rows() -> list[tuple[str, ...]]:
    return [
        (
            entry.name,
            entry.boxes,
            entry.template.scale or "unknown",
            entry.thinking,
            " ".join(f"{name} {value:g}" for name, value in entry.recommended.items()) or "-",
            "written here" if entry.directory else "yes" if entry.gguf else "-",
        )
        for entry in catalog()
    ]


def to_markdown() -> str:
    """Return the table of docs/models.md."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *(("`" + r[0] + "`", *r[1:]) for r in _rows())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _to_text() -> str:
    rows = [_COLUMNS, *_rows()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"
