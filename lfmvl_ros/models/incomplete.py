# SPDX-License-Identifier: Apache-2.0
"""Recognises directories that are not a complete checkpoint, and advises what to do."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import is_lfs_pointer
from lfmvl_ros.core.user_files import read_json_object

INDEX_FILE = "model.safetensors.index.json"
"""Names the files that hold each tensor, where there are several."""
_MOST_HEADER = 100 << 20  # as safetensors itself allows
_LOOKED_AT = ("config.json", "tokenizer.json", "*.safetensors")


def refuse_incomplete(directory: Path) -> None:
    """Check that a directory is not an adapter, another format, or an incomplete download.

    Raises:
        UserError: it is one of these.
    """
    pointers = [
        path for name in _LOOKED_AT for path in directory.glob(name) if is_lfs_pointer(path)
    ]
    if pointers:
        raise UserError(
            f"{pointers[0]} is a Git LFS pointer, not the file itself; run `git lfs pull` in "
            f"{directory}"
        )
    if not (directory / "config.json").is_file():
        _refuse_other_formats(directory)
    halves = [*directory.glob("*.incomplete"), *directory.glob("**/*.part")]
    if halves:
        raise UserError(f"{halves[0]} is half a download; download the checkpoint again")
    _refuse_missing_shards(directory)
    for path in sorted(directory.glob("*.safetensors")):
        if (missing := _missing_bytes(path)) > 0:
            raise UserError(
                f"{path} ends {missing} bytes too early, so its download or copy broke off; "
                "download or copy it again"
            )


def _refuse_other_formats(directory: Path) -> None:
    if (directory / "adapter_config.json").is_file():
        base = _document(directory / "adapter_config.json").get("base_model_name_or_path")
        raise UserError(
            f"{directory} holds an adapter (LoRA) of {base or 'a base that it does not name'}, not "
            "a whole checkpoint; merge it into its base (merge_and_unload of the package peft), "
            "and give the directory of the result"
        )
    quantised = sorted(directory.glob("*.gguf"))
    if quantised:
        raise UserError(
            f"{directory} holds GGUF files such as {quantised[0].name}, the format of llama.cpp; "
            "this package reads the checkpoint they were made from (config.json, *.safetensors)"
        )


def _refuse_missing_shards(directory: Path) -> None:
    shards = _document(directory / INDEX_FILE).get("weight_map")
    names = {name for name in shards.values() if isinstance(name, str)} if shards else set()
    missing = sorted(name for name in names if not (directory / name).is_file())
    if missing:
        raise UserError(
            f"{directory} has {len(names) - len(missing)} of {len(names)} files of weights, and "
            f"{missing[0]} is missing; the download is incomplete: run it again"
        )


def _document(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one if there is none (loading reports it)."""
    try:
        document = read_json_object(path)
    except UserError:
        return {}
    weights = document.get("weight_map")
    return document if weights is None or isinstance(weights, dict) else {}


def _missing_bytes(path: Path) -> int:
    """Return by how much a safetensors file is shorter than its header says.

    The format: 8 bytes with the length of the header, the header as JSON with the offsets of each
    tensor, the tensors (https://github.com/huggingface/safetensors#format).
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if len(start) < 8:
                return 8 - len(start)
            (length,) = struct.unpack("<Q", start)
            if length > _MOST_HEADER:
                return 0  # another format; loading reports it
            if size < 8 + length:
                return int(8 + length - size)
            header = json.loads(file.read(length))
        ends = [int(item["data_offsets"][1]) for key, item in header.items() if key[:2] != "__"]
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return 0
    return 8 + int(length) + max(ends, default=0) - size
