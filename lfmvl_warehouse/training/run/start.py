# SPDX-License-Identifier: Apache-2.0
"""Start from the weights of a checkpoint: which ones can be, and with what settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, Lfm2VlConfig, PreTrainedTokenizerFast

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.user_files import check_regular, is_directory, user_path
from lfmvl_ros.models.catalog import directory_of, find
from lfmvl_ros.models.checkpoint_files import (
    ARCHITECTURE,
    NO_REMOTE_CODE,
    check_directory,
    image_rules,
)
from lfmvl_warehouse.training.data.patch_grid import BUDGET
from lfmvl_warehouse.training.model import tokenizer as layout
from lfmvl_warehouse.training.model.build import ModelShape, build_config
from lfmvl_warehouse.training.run.train_settings import TrainSettings

HIDDEN_RATE = 0.3
"""Learning rate of the hidden matrices in a run that starts from a checkpoint, as a share of that
in a run from nothing. Word embeddings keep theirs: names may be made of tokens never seen before,
and with 0.3 for these too, such names are learnt half as fast."""

_TOKENIZER_SUFFIXES = (".json", ".jinja", ".txt", ".model")
_WARM_UP = 0.15  # share of the run in which the new auxiliary heads get their weight
_FIELDS = {
    "text_config": (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "layer_types",
        "conv_L_cache",
        "conv_bias",
        "block_auto_adjust_ff_dim",
        "rope_parameters",
        "norm_eps",
    ),
    "vision_config": (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "patch_size",
        "num_patches",
        "hidden_act",
        "vision_use_head",
    ),
    "": (
        "image_token_id",
        "projector_hidden_size",
        "projector_hidden_act",
        "projector_use_layernorm",
        "projector_bias",
        "downsample_factor",
        "tie_word_embeddings",
    ),
}


@dataclass(frozen=True)
class TrainingStart:
    """A checkpoint that a run can start from; see :func:`find_start`.

    Attributes:
        name: as a model card may say it: ``bundled``, or the directory's name.
        directory: where it lies.
        shape: of its model.
    """

    name: str
    directory: Path
    shape: ModelShape


def find_start(name: str) -> TrainingStart:
    """Find a checkpoint and make sure that this trainer can train it.

    Args:
        name: a directory, or the catalogue name of a checkpoint that comes with the package.

    Raises:
        UserError: there is none, or it has another shape than this trainer's; names what differs.
    """
    entry, found = find(name), directory_of(name)
    if found is not None and entry is not None and not entry.directory:
        entry = None  # a directory that is called like a published checkpoint
    elif found is None and entry is not None:
        raise UserError(
            f"{name} can't be trained here: `lfmvl train` is for checkpoints of the small shape "
            "it makes itself, such as 'bundled'; fine-tune others with `lfmvl finetune`"
        )
    directory = found or user_path(name, "checkpoint")
    check_directory(directory, only=ARCHITECTURE)
    config = Lfm2VlConfig.from_pretrained(directory)
    shape, differences = _shape(config)
    differences += _other_differences(directory, config)
    if differences or shape is None:
        raise UserError(
            f"{name} can't be trained here: `lfmvl train` is for checkpoints of the small shape "
            f"it makes itself, and this one differs in {'; '.join(differences[:6])}; start from "
            "'bundled' or the checkpoint of another run"
        )
    return TrainingStart(entry.name if entry else name_of(directory), directory, shape)


def name_of(directory: Path) -> str:
    """A checkpoint directory's name, with its run's where all are called the same.

    >>> name_of(Path("/somewhere/runs/bins/checkpoint"))
    'bins/checkpoint'
    """
    parts = directory.resolve().parts
    return "/".join(parts[-2:] if parts[-1] == "checkpoint" else parts[-1:])


def _shape(config: Lfm2VlConfig) -> tuple[ModelShape | None, list[str]]:
    """The shape of a configuration, and every field in which it isn't this trainer's."""
    text, vision = config.text_config, config.vision_config
    try:
        shape = ModelShape(
            vision_width=vision.hidden_size,
            vision_layers=vision.num_hidden_layers,
            text_width=text.hidden_size,
            text_layers="".join("c" if t == "conv" else "a" for t in text.layer_types),
            text_ff=text.intermediate_size,
        )
    except (ValueError, TypeError) as error:
        return None, [str(error)]
    ours = build_config(shape, vocabulary=text.vocab_size)
    differences = []
    for part, names in _FIELDS.items():
        theirs_part = getattr(config, part) if part else config
        ours_part = getattr(ours, part) if part else ours
        for name in names:
            has, takes = getattr(theirs_part, name, None), getattr(ours_part, name, None)
            if has != takes:
                where = f"{part}.{name}" if part else name
                differences.append(f"{where} ({_short(has)} instead of {_short(takes)})")
    return shape, differences


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


def _other_differences(directory: Path, config: Lfm2VlConfig) -> list[str]:
    """What the trainer relies on besides the network's shape: tokens and image sizes."""
    differences = []
    tokenizer = load_tokenizer(directory)
    known = {name: index for index, name in enumerate(layout.special_tokens())}
    for name in ("<|pad|>", "<|startoftext|>", "<|im_end|>", "<image>", "<|image_end|>"):
        index = tokenizer.convert_tokens_to_ids(name)
        if index != known[name]:
            differences.append(f"the id of {name} ({index} instead of {known[name]})")
    size = -(-len(tokenizer) // 32) * 32
    if config.text_config.vocab_size != size:
        differences.append(
            f"text_config.vocab_size ({config.text_config.vocab_size} instead of {size})"
        )
    if None in layout.pair_ids(tokenizer):
        differences.append("its numbers (no token for each of 00 to 99)")
    rules = image_rules(directory)
    for name in ("min_tokens", "max_tokens", "tile_px"):
        has, takes = getattr(rules, name), getattr(BUDGET, name)
        if has != takes:
            differences.append(f"image {name} ({has} instead of {takes})")
    return differences


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint or run. Being byte-level, it writes any name.

    Raises:
        UserError: it can't be read, or does not cut text into words.
    """
    for path in sorted(directory.glob("*")):
        if path.suffix in _TOKENIZER_SUFFIXES and not is_directory(path):
            check_regular(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, **NO_REMOTE_CODE)
        if tokenizer.backend_tokenizer.pre_tokenizer is None:
            raise ValueError("it cuts no text into words")
    except MemoryError:
        raise
    except Exception as error:  # of tokenizers, whatever damaged files bring
        raise UserError(
            f"the tokenizer in {directory} can't be read ({describe(error)[:200]}); copy it from "
            "another copy of this folder"
        ) from error
    return tokenizer


def load_weights(start: TrainingStart) -> dict[str, Tensor]:
    """The checkpoint's weights in float32.

    Raises:
        UserError: they can't be read, or some are missing.
    """
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

    model, _ = load_checkpoint(str(start.directory), torch.device("cpu"), torch.float32)
    weights: dict[str, Tensor] = model.state_dict()
    return weights


def fine_tuning(settings: TrainSettings, start: str) -> TrainSettings:
    """The settings of a run that continues a checkpoint's learning.

    Both towers learn from the first step, answers are as long as they may be, coordinates are
    sharp, steps of the hidden matrices are smaller. The auxiliary heads are new, so they get
    their weight bit by bit: what they know nothing about yet should not pull at a tower that does.
    """
    return replace(
        settings,
        start=start,
        muon_rate=HIDDEN_RATE * settings.muon_rate,
        vision_share=0.0,
        curriculum=False,
        sigma=(settings.sigma[1], settings.sigma[1]),
        head_warm_up=_WARM_UP,
    )
