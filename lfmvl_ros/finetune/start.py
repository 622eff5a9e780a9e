# SPDX-License-Identifier: Apache-2.0
"""The checkpoint a run starts from: its directory, its prompts, its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lfmvl_ros.core.config import ImageSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE, PromptTemplate
from lfmvl_ros.finetune.adapters import is_adapted
from lfmvl_ros.models.catalog import directory_of, find
from lfmvl_ros.models.checkpoint_files import check_directory, image_rules, read_json
from lfmvl_ros.models.checkpoint_labels import known_labels
from lfmvl_ros.models.gguf.safetensors import checkpoint_tensors
from lfmvl_ros.models.hub import commit_of, local_folder

_TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


@dataclass(frozen=True)
class Start:
    """A checkpoint to start from; see :func:`find_start`.

    Attributes:
        name: for the model card: catalogue name, hub id, or the directory's name.
        directory: where its files are.
        templates: prompts to train with; the one that the result will be used with comes first.
        licence: of the weights, "" where it is not known.
        parameters: number of weights, shared ones once.
        adapter_width: inputs and outputs of all layers that get adapters, by which ``towers`` do;
            times the rank, it is the number of the adapters' weights.
        dtype: precision in which most of the weights are stored.
        config: ``config.json``.
        revision: commit on the hub, "" where it comes from none.
    """

    name: str
    directory: Path
    templates: tuple[PromptTemplate, ...]
    licence: str
    parameters: int
    adapter_width: Mapping[str, int]
    dtype: torch.dtype
    config: dict[str, Any]
    revision: str = ""

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer."""
        return int(self.config.get("text_config", {}).get("max_position_embeddings", 32_768))

    def lists(self, names: Iterable[str]) -> bool:
        """Whether its card lists all of these names; False where it lists none."""
        known = known_labels(str(self.directory))
        return known is not None and not known.unlisted(names)

    def rules(self, image_tokens: int) -> ImageTokenSettings:
        """Return its image token rules, or those for whole images of at most so many tokens."""
        own = image_rules(self.directory)
        if not image_tokens:
            return own
        return wanted_rules(own, ImageSettings(max_tokens=image_tokens, split="never"))


def find_start(model: str, revision: str = "") -> Start:
    """Find a checkpoint, downloading it if need be.

    Args:
        model: a directory, a catalogue name such as ``bundled``, or a hub id.
        revision: branch, tag or commit of a hub's checkpoint; "" for the newest.

    Raises:
        UserError: there is none, it can't be fetched (not there, or gated), or it is of another
            architecture.
    """
    entry = find(model)
    directory = local_folder(model, revision)
    check_directory(directory)
    tensors = checkpoint_tensors(directory)
    kinds = Counter[str]()
    for tensor in tensors:
        kinds[tensor.kind] += int(tensor.raw.size)
    kind = kinds.most_common(1)[0][0]
    if kind not in _TYPES:
        raise UserError(
            f"the weights of {model} are stored as {kind}; fine-tuning takes float32, bfloat16 or "
            "float16: give the checkpoint before it was quantised"
        )
    sizes = {tensor.name: tensor.raw.size for tensor in tensors}
    width = torch.empty(0, dtype=_TYPES[kind]).element_size()
    return Start(
        name=(entry.id or entry.name) if entry else name_of(model, directory),
        directory=directory,
        templates=_templates(entry.template if entry else CARD_TEMPLATE),
        licence=entry.licence if entry else "",
        parameters=sum(sizes.values()) // width,
        adapter_width={
            towers: sum(
                sum(tensor.shape)
                for tensor in tensors
                if len(tensor.shape) == 2 and is_adapted(tensor.name, towers)
            )
            for towers in ("both", "vision")
        },
        dtype=_TYPES[kind],
        config=read_json(directory / "config.json"),
        revision=commit_of(directory),
    )


def name_of(model: str, directory: Path) -> str:
    """Return the hub id, or the name of a directory that the user gave."""
    return directory.resolve().name if directory_of(model) is not None else model


def _templates(own: PromptTemplate) -> tuple[PromptTemplate, ...]:
    """Return the prompts to train; first the card's, which a checkpoint in a directory gets."""
    if own.decimals != CARD_TEMPLATE.decimals:
        return (own,)  # of a family with a scale of its own
    return tuple({t.text: t for t in (CARD_TEMPLATE, own, COOKBOOK_TEMPLATE)}.values())
