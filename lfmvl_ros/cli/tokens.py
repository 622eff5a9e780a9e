# SPDX-License-Identifier: Apache-2.0
"""``lfmvl tokens``: how many tokens an image of a size takes, and what each setting changes."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict, replace
from typing import Any

from lfmvl_ros.cli.flags import as_count, flag_of, number, value_of, whole_number
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_tokens import (
    ImageTokenCount,
    ImageTokenSettings,
    count_image_tokens,
    settings_for_budget,
)
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import finite

HELP = "Print how many tiles and image tokens an image takes, and what each setting would change."

# Figures of Liquid AI's release post; the counts printed are what the processor emits.
_PUBLISHED = {(256, 384): 96, (384, 680): 240, (1000, 3000): 1020}
_LARGEST_SIDE_PX = 65_536


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("sizes", nargs="+", metavar="WIDTHxHEIGHT", help="for example 1280x720")
    parser.add_argument(
        "--model",
        default=PerceptionSettings().model,
        help="directory, or name in the catalogue, with or without a precision, as in bundled:int8",
    )
    infos = PerceptionSettings.describe()
    for name in ("min_tokens", "max_tokens", "max_tiles"):
        info = infos[f"image.{name}"]
        assert info.high is not None
        parser.add_argument(
            flag_of(name), type=whole_number(0, int(info.high)), metavar="N", help=info.help
        )
    split = infos["image.split"]
    parser.add_argument("--split", type=value_of(split), choices=split.choices, help=split.help)
    parser.add_argument(
        "--budget",
        type=as_count,
        metavar="N",
        help="also find the settings that take at most N tokens",
    )
    parser.add_argument(
        "--target-latency-ms",
        type=number(1, 600_000, "ms"),
        metavar="MS",
        help="also load the model, run it on rendered images until the latency budget has "
        "settled, and print its choice on this machine",
    )
    parser.add_argument(
        "--query",
        default="person, forklift, cardboard box",
        help="for --target-latency-ms: what to find, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="for --target-latency-ms: auto (default), cpu, cuda or cuda:N",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")


def run(args: argparse.Namespace) -> int:
    """Print the counts; exit code 0."""
    rules = _rules(args)
    sizes = [_size(text) for text in args.sizes]
    documents = [_document(wh, rules, args.budget) for wh in sizes]
    if args.target_latency_ms is not None:
        _try_target(args, sizes, documents)
    if args.json:
        document = {"model": args.model, "settings": asdict(rules), "images": documents}
        print(json_text(finite(document)))
        return 0
    blocks = [_text(document, rules.tokens_per_tile) for document in documents]
    print(f"model {args.model}, one token is {rules.unit_px}x{rules.unit_px} px\n")
    print("\n\n".join(blocks))
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[xX×*](\d{1,6})", text.strip())
    if not match or not all(1 <= int(side) <= _LARGEST_SIDE_PX for side in match.groups()):
        raise UserError(f"{text!r} is not an image size; write WIDTHxHEIGHT, for example 1280x720")
    return int(match[1]), int(match[2])


def _rules(args: argparse.Namespace) -> ImageTokenSettings:
    rules = _rules_of_model(args.model)
    low, high = args.min_tokens or rules.min_tokens, args.max_tokens or rules.max_tokens
    tiles = args.max_tiles or rules.max_tiles  # 0 keeps, as in the settings
    split = rules.split if args.split in (None, "checkpoint") else args.split == "always"
    try:
        return replace(
            rules,
            min_tokens=min(low, high),
            max_tokens=high,
            split=split and tiles != 1,
            max_tiles=tiles if tiles != 1 else rules.max_tiles,
        )
    except ValueError as error:
        raise UserError(f"these settings can't be used: {error}") from error


def _rules_of_model(model: str) -> ImageTokenSettings:
    """The checkpoint's own configuration where it lies on this machine, else the catalogue's."""
    from lfmvl_ros.models.catalog import catalog, directory_of, find
    from lfmvl_ros.models.checkpoint_files import image_rules
    from lfmvl_ros.models.model_name import split_name

    name = split_name(model)
    entry, folder = find(name.checkpoint), directory_of(name.checkpoint)
    if folder is not None:
        rules = image_rules(folder)
    elif entry is not None:
        rules = entry.image_tokens()
    else:
        names = ", ".join(entry.name for entry in catalog())
        raise UserError(f"{model!r} is neither a directory nor in the catalogue, which has {names}")
    return rules if name.quantised is None else replace(rules, split=False)  # llama.cpp: no tiles


def _document(
    wh: tuple[int, int], rules: ImageTokenSettings, budget: int | None
) -> dict[str, object]:
    count = count_image_tokens(wh, rules)
    document: dict[str, object] = {
        "size": f"{wh[0]}x{wh[1]}",
        **_facts(count),
        "published": _PUBLISHED.get(wh) if rules.split and rules.max_tokens == 256 else None,
        "changes": [
            {"setting": name, **_facts(count_image_tokens(wh, changed))}
            for name, changed in _changes(rules).items()
        ],
    }
    if budget is not None:
        try:
            fitted = settings_for_budget(wh, budget, rules)
        except ValueError as error:
            raise UserError(str(error)) from error
        document["budget"] = {
            "tokens_at_most": budget,
            "setting": _named(fitted),
            **_facts(count_image_tokens(wh, fitted)),
        }
    return document


def _try_target(
    args: argparse.Namespace, sizes: list[tuple[int, int]], documents: list[dict[str, object]]
) -> None:
    """Add to each document what the latency budget chooses for an image of its size."""
    settings = PerceptionSettings(model=args.model, device=args.device, query=args.query).updated(
        {
            "image.min_tokens": args.min_tokens or 0,
            "image.max_tokens": args.max_tokens or 0,
            "image.split": args.split or "checkpoint",
            "image.max_tiles": args.max_tiles or 0,
            "image.target_latency_ms": args.target_latency_ms,
        }
    )
    from lfmvl_ros.cli.tokens_target import try_target
    from lfmvl_ros.models.load import load_model

    model = load_model(settings)
    for wh, document in zip(sizes, documents, strict=True):
        tried = try_target(model, settings, wh)
        chosen = tried.choice.rung.settings
        document["target"] = {
            "setting": _named(chosen),
            **tried.to_dict(),
            **_facts(count_image_tokens(wh, chosen)),
            "remark": tried.remark(),
        }


def _facts(count: ImageTokenCount) -> dict[str, object]:
    return {
        "tiles": count.tiles,
        "grid": f"{count.cols}x{count.rows}",
        "thumbnail_tokens": count.thumbnail_tokens,
        "image_tokens": count.tokens,
        "special_tokens": count.special_tokens,
        "seen_as": f"{count.resized_wh[0]}x{count.resized_wh[1]}",
    }


def _changes(rules: ImageTokenSettings) -> dict[str, ImageTokenSettings]:
    """One step of each knob away from the settings."""
    found = {}
    if rules.split:
        found["split never"] = replace(rules, split=False)
        found["max_tiles 2"] = replace(rules, min_tiles=2, max_tiles=2)
        found["max_tiles 4"] = replace(rules, min_tiles=2, max_tiles=4)
    else:
        found["split always"] = replace(rules, split=True)
    for most in (64, 128, 256):
        low = min(rules.min_tokens, most)
        found[f"max_tokens {most}"] = replace(rules, min_tokens=low, max_tokens=most)
        if rules.split:
            found[f"max_tokens {most}, split never"] = replace(
                rules, min_tokens=low, max_tokens=most, split=False
            )
    return {name: changed for name, changed in found.items() if changed != rules}


def _named(rules: ImageTokenSettings) -> str:
    split = f"split always, max_tiles {rules.max_tiles}" if rules.split else "split never"
    return f"{split}, max_tokens {rules.max_tokens}, min_tokens {rules.min_tokens}"


def _text(document: dict[str, Any], tokens_per_tile: int) -> str:
    rows = [("as set", document)]
    rows += [(change["setting"], change) for change in document["changes"]]
    budget = document.get("budget")
    if isinstance(budget, dict):
        rows.append((f"<= {budget['tokens_at_most']}: {budget['setting']}", budget))
    target = document.get("target")
    if isinstance(target, dict):
        rows.append((f"{target['target_ms']:g} ms here: {target['setting']}", target))
    width = max(len(str(name)) for name, _ in rows)
    now = int(str(document["image_tokens"]))
    lines = [f"{document['size']}"]
    lines.append(f"  {'setting':<{width}}  tiles  image tokens  special  change  whole image as")
    for name, facts in rows:
        tiles = f"{facts['tiles']} ({facts['grid']})" if facts["tiles"] != 1 else "1"
        lines.append(
            f"  {name:<{width}}  {tiles:>6} {facts['image_tokens']:>12}  "
            f"{facts['special_tokens']:>7}  {facts['image_tokens'] - now:>+6}  {facts['seen_as']}"
        )
    published = document["published"]
    if published is not None and published != now:
        lines.append(f"  published for this size: {published}; the processor emits {now}")
    if isinstance(target, dict):
        lines.append(str(target["remark"]))
    if any(facts["tiles"] != 1 for _, facts in rows):
        lines.append(
            f"  A tile costs {tokens_per_tile} tokens whatever max_tokens says, and a lower"
        )
        lines.append("  max_tokens cuts more images into tiles: lower it with split never.")
    return "\n".join(lines)
