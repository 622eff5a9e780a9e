# SPDX-License-Identifier: Apache-2.0
"""The licence of a checkpoint, and the data sets that its card names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import is_directory, read_text, user_path
from lfmvl_ros.core.yaml_text import parse_yaml
from lfmvl_ros.licences.item import Licensed, folded
from lfmvl_ros.licences.spdx import from_text, from_words
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.model_name import split_name

_LARGEST = 1 << 20


def weights_and_data(model: str, known: Mapping[str, str]) -> list[Licensed]:
    """Return the weights of a ``model`` setting, and the data sets that its card names.

    The hub is not asked: of a checkpoint there, the card of the copy on this machine is read.

    Args:
        model: catalogue name, hub id, directory, or anything else that the setting takes.
        known: folded name -> SPDX expression that a person has looked up; it wins.
    """
    name = split_name(model).checkpoint
    folder, entry = user_path(name, "model"), find(name)
    card, text = "", ""
    if is_directory(folder):
        card, text = _read(folder / "README.md"), _read(folder / "LICENSE")
    elif entry is not None and entry.directory:
        card = _read(Path(entry.directory) / "README.md")
    elif entry is not None or name.count("/") == 1:
        name = entry.id if entry is not None else name
        card, text = _cached(name, "README.md"), _cached(name, "LICENSE")
    head = head_of(card)
    licence, source = _licence_of(head, text, entry.licence if entry is not None else "")
    looked_up = known.get(folded(model))
    if looked_up:
        licence, source = looked_up, "looked up"
    return [Licensed("weights", model, "", licence, source), *_data(head, known)]


def head_of(card: str) -> dict[str, Any]:
    r"""Return the YAML at the head of a model card; nothing where there is none.

    >>> head_of("---\nlicense: mit\n---\n# A model\n")
    {'license': 'mit'}
    """
    parts = card.split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return {}
    try:
        head = parse_yaml(parts[1])
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def _licence_of(head: Mapping[str, Any], text: str, catalogued: str) -> tuple[str, str]:
    for key in ("license", "license_name"):  # "other" is followed by a name
        words = head.get(key)
        if isinstance(words, str) and (licence := from_words(words)):
            return licence, "model card"
    if licence := from_text(text):
        return licence, "licence text"
    if licence := from_words(catalogued):
        return licence, "catalogue"
    stated = head.get("license_name") or head.get("license")
    return "", f"not clear: {stated!r}" if stated else "no card that says it"


def _data(head: Mapping[str, Any], known: Mapping[str, str]) -> list[Licensed]:
    named = head.get("datasets")
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return [
        Licensed("data", str(name), "", known.get(folded(str(name)), ""),
                 "looked up" if folded(str(name)) in known else "a card names no data's licence")
        for name in names
    ]  # fmt: skip


def _cached(hub_id: str, file: str) -> str:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(hub_id, file)
    except HFValidationError:
        return ""
    return _read(Path(path)) if isinstance(path, str) else ""


def _read(path: Path) -> str:
    try:
        return read_text(path, _LARGEST, replace=True)
    except UserError:
        return ""
