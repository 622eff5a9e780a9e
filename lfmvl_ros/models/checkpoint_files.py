# SPDX-License-Identifier: Apache-2.0
"""Checks a checkpoint's files and package versions before anything heavy is imported."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import quoted, shortened, shown_value
from lfmvl_ros.core.user_files import (
    check_regular,
    exists,
    inside,
    is_directory,
    read_json_object,
)
from lfmvl_ros.models.incomplete import refuse_incomplete

ARCHITECTURE = "lfm2_vl"
ARCHITECTURES = {ARCHITECTURE: "LFM2-VL", "lfm3_vl": "LFM3-VL"}
"""Model types that transformers runs here, and what people call them."""
_FAMILIES = "this package runs LFM2-VL ('lfm2_vl') and LFM3-VL ('lfm3_vl')"
# For every ``from_pretrained``: without it, transformers asks on a terminal whether to run Python
# files of the checkpoint, and somebody may answer y.
NO_REMOTE_CODE = {"trust_remote_code": False}
_READ_SUFFIXES = (".json", ".safetensors", ".jinja", ".txt", ".model")
# Memory is allocated for these before the weights are read. Published checkpoints have at most a
# quarter of each.
_LARGEST = {
    "vocab_size": 1 << 20,
    "hidden_size": 1 << 14,
    "intermediate_size": 1 << 17,
    "block_ff_dim": 1 << 17,
    "num_hidden_layers": 512,
    "num_attention_heads": 512,
    "num_key_value_heads": 512,
    "conv_L_cache": 64,
    "num_patches": 1 << 14,
    "patch_size": 256,
    "projector_hidden_size": 1 << 15,
    "max_position_embeddings": 1 << 24,
}
# Up to 5.14.1 appending several tokens to a filled cache silently ignores the short convolutions'
# window: wrong answers, no error.
OLDEST_TRANSFORMERS = (5, 15, 1)
OLDEST_FOR_LFM3 = (5, 23, 0)
# Its own name for each rule -> the name in core.image_tokens.
_RULES = {
    "min_image_tokens": "min_tokens",
    "max_image_tokens": "max_tokens",
    "do_image_splitting": "split",
    "min_tiles": "min_tiles",
    "max_tiles": "max_tiles",
    "use_thumbnail": "thumbnail",
    "tile_size": "tile_px",
    "encoder_patch_size": "patch_px",
    "downsample_factor": "downsample",
    "max_pixels_tolerance": "tolerance",
}


def check_transformers(version: str | None = None) -> None:
    """Refuse a transformers (``version``, or the installed one) that computes this family wrongly.

    Raises:
        UserError: it is missing or older than 5.15.1.
    """
    if version is None:
        try:
            version = metadata.version("transformers")
        except metadata.PackageNotFoundError as error:
            raise UserError(
                "the Python package transformers is missing; install transformers>=5.15.1, or "
                "replay recorded answers from a .jsonl file"
            ) from error
    if _numbers(version) < OLDEST_TRANSFORMERS:
        raise UserError(
            f"transformers {version} is too old: below 5.15.1 LFM2's short convolutions forget "
            "their cache and answers go wrong without an error; install transformers>=5.15.1"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def check_architecture(model_type: object, where: str, version: str | None = None) -> None:
    """Refuse a checkpoint of another family, or one that this transformers does not know yet.

    Args:
        model_type: as its configuration states it.
        where: the checkpoint, for the message.
        version: of transformers; None for the installed one.

    Raises:
        UserError: it can't be run.
    """
    if model_type not in ARCHITECTURES:
        raise UserError(
            f"{where} holds a model of type {model_type!r}, and {_FAMILIES} only; choose one of "
            "these families"
        )
    version = version or metadata.version("transformers")
    if model_type != ARCHITECTURE and _numbers(version) < OLDEST_FOR_LFM3:
        raise UserError(
            f"{where} is an LFM3-VL checkpoint, and transformers {version} does not know that "
            "family; install transformers>=5.23"
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a checkpoint's file.

    Raises:
        UserError: the file is missing, unreadable or no JSON object.
    """
    if not exists(path):
        raise UserError(
            f"{path.parent} has no {path.name}, so it is not a checkpoint; "
            "give the directory that save_pretrained or a download wrote"
        )
    try:
        return read_json_object(path)
    except UserError as error:
        raise UserError(f"{error}; download the checkpoint again") from error


def check_directory(directory: Path, *, only: str = "") -> None:
    """Check that a directory looks like a complete checkpoint of a supported family.

    Args:
        directory: to check.
        only: the only model type that is accepted, "" for any supported one.

    Raises:
        UserError: it is missing, of another architecture, or a file is missing.
    """
    if not is_directory(directory):
        raise UserError(
            f"there is no checkpoint at {directory}; give a directory, a hub id such as "
            "LiquidAI/LFM2.5-VL-450M, or 'bundled'"
        )
    for path in sorted(directory.iterdir()):
        if path.suffix in _READ_SUFFIXES:
            check_regular(path)
    refuse_incomplete(directory)
    architecture = str(read_json(directory / "config.json").get("model_type"))
    check_architecture(architecture, str(directory))
    if only and architecture != only:
        raise UserError(
            f"{directory} is of the family {ARCHITECTURES[architecture]}, and this takes "
            f"checkpoints of {ARCHITECTURES[only]} only; choose one of these"
        )
    if not any(directory.glob("*.safetensors")):
        raise UserError(
            f"{directory} has no weights (*.safetensors); the download or copy is incomplete"
        )
    if not exists(directory / "tokenizer.json"):
        raise UserError(f"{directory} has no tokenizer.json; the download or copy is incomplete")
    _check_contents(directory)


def _check_contents(directory: Path) -> None:
    """Refuse files outside the directory, and sizes that would take too much memory."""
    for path in sorted(directory.glob("*.safetensors.index.json")):
        shards = read_json(path).get("weight_map")
        for shard in sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else ():
            _beside(directory, shard, path, (".safetensors",))
    config = read_json(path := directory / "config.json")
    if (weights := config.get("transformers_weights")) is not None:
        _beside(directory, str(weights), path, (".safetensors", ".safetensors.index.json"))
    _check_sizes(config, path)
    if exists(path := directory / "tokenizer_config.json"):
        document = read_json(path)
        most = document.get("model_max_length", 0)
        if not is_number(most):
            raise UserError(f"{path}: model_max_length is {shown_value(most)}, not a number")
        others = document.get("fast_tokenizer_files") or []
        for name in others if isinstance(others, list) else [others]:
            _beside(directory, str(name), path, (".json",))


def _beside(directory: Path, name: str, owner: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse a name in a checkpoint that is not a file beside the one that names it.

    Links of a hub's cache lead from ``snapshots/COMMIT`` to ``blobs``, so those may.
    """
    if Path(name).name != name or not name.endswith(suffixes):
        kinds = " or ".join(f"*{suffix}" for suffix in suffixes)
        raise UserError(f"{owner} names {quoted(name)}; it may name {kinds} files beside it")
    root = directory.parents[1] if directory.parent.name == "snapshots" else directory
    check_regular(inside(directory, name, owner, root=root))


def _check_sizes(config: dict[str, Any], path: Path, prefix: str = "") -> None:
    for key, value in config.items():
        if isinstance(value, dict):
            _check_sizes(value, path, f"{prefix}{key}.")
        elif isinstance(value, int) and key in _LARGEST and not 0 <= value <= _LARGEST[key]:
            raise UserError(
                f"{path}: {prefix}{key} is {value:,}, and no model of this family has more than "
                f"{_LARGEST[key]:,}; the file is damaged or not what it says"
            )


def image_rules(directory: Path) -> ImageTokenSettings:
    """Return the image token rules that a checkpoint's processor configuration states.

    Raises:
        UserError: the configuration is missing or states something impossible.
    """
    nested = directory / "processor_config.json"
    document = read_json(nested).get("image_processor") if nested.is_file() else None
    if document is None:
        document = read_json(directory / "preprocessor_config.json")
    if not isinstance(document, dict):
        raise UserError(
            f"{nested}: image_processor is {shortened(repr(document))}, and it should be an "
            "object; download the checkpoint again"
        )
    return rules_from(document, str(directory))


def rules_from(options: dict[str, Any], where: str) -> ImageTokenSettings:
    """Translate an image processor's options; see :func:`image_rules`."""
    if "merge_size" in options:
        return _rules_of_qwen2(options, where)
    values = {ours: options[theirs] for theirs, ours in _RULES.items() if theirs in options}
    try:
        if values.get("max_tiles", 2) < 2:
            values.update(split=False, max_tiles=2)
        values["min_tiles"] = max(2, values.get("min_tiles", 2))
        return ImageTokenSettings(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"the image processor of {where} can't be used: {error}") from error


def _rules_of_qwen2(options: dict[str, Any], where: str) -> ImageTokenSettings:
    """Translate Qwen2-VL's rules: limits in pixels, no tiles."""
    try:
        patch_px, merge = int(options["patch_size"]), int(options["merge_size"])
        limits = dict(options["size"])
        area = (patch_px * merge) ** 2
        return ImageTokenSettings(
            min_tokens=max(1, -(-int(limits["shortest_edge"]) // area)),
            max_tokens=int(limits["longest_edge"]) // area,
            split=False,
            patch_px=patch_px,
            downsample=merge,
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"the image processor of {where} can't be used ({error!r}); it has to state "
            "patch_size, merge_size and size (shortest_edge and longest_edge, in pixels)"
        ) from error
