# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters (LoRA, https://arxiv.org/abs/2106.09685) in a loaded checkpoint, through peft.

Layers are selected by their type, not by a list of names: such lists, made for other architectures,
miss most layers of this one. Adapted are all linear layers of the blocks of both towers (attention,
convolutions in and out, feed-forward) and of the projector; not the patch embedding, the word
embeddings or the output head.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from lfmvl_ros.core.errors import UserError

ADAPTED = re.compile(
    r"(^|\.)(layers|blocks)\.\d+\.|(^|\.)(multi_modal_projector|projector|merger)\."
)
"""Names of layers that are adapted, where they are linear."""
_LANGUAGE = re.compile(r"(^|\.)language_model\.")

_SCALE = 2.0  # lora_alpha / rank
_NAME = "default"


def is_adapted(name: str, towers: str = "both") -> bool:
    """Whether a linear layer gets an adapter.

    Args:
        name: of the layer, or of its weight.
        towers: ``both``, or ``vision``: not the language tower.
    """
    return bool(ADAPTED.search(name)) and not (towers == "vision" and _LANGUAGE.search(name))


def target_names(model: nn.Module, towers: str = "both") -> list[str]:
    """Return the full names of the linear layers that get an adapter, in the model's order.

    Args:
        model: the checkpoint.
        towers: as in :func:`is_adapted`.

    Raises:
        UserError: there are none.
    """
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and is_adapted(name, towers)
    ]
    if not names:
        raise UserError(
            f"{type(model).__name__} has no linear layers where the LFM2-VL family has them, so "
            "there is nothing to adapt; choose a checkpoint of that family, or train all weights "
            "with --full"
        )
    return names


def attach(model: nn.Module, rank: int, *, seed: int = 0, towers: str = "both") -> list[str]:
    """Put adapters of this rank into the model and freeze everything else.

    They change nothing at first. Their weights are float32, whatever the precision of the model.
    ``towers`` is as in :func:`is_adapted`.

    Returns:
        The names of the adapted layers.

    Raises:
        UserError: no layer was matched.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    names = target_names(model, towers)
    device = next(model.parameters()).device
    model.requires_grad_(False)
    config = LoraConfig(
        r=rank, lora_alpha=int(_SCALE * rank), lora_dropout=0.0, bias="none", target_modules=names
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # peft draws half of each adapter's weights
        inject_adapter_in_model(config, model, adapter_name=_NAME)
    adapted = {name for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    if adapted != set(names):
        raise UserError(
            f"peft adapted {len(adapted)} of {len(names)} layers; install another release of peft"
        )
    for parameter in trainable(model).values():
        parameter.data = parameter.data.to(device, torch.float32)
    return names


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by their names in the model."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def adapted_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return what the weights of the adapted layers become, float32 on the CPU.

    Computed in float32 from the frozen weights, so that each is rounded once, when it is stored.
    """
    from peft.tuners.lora import LoraLayer

    found = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            base = layer.get_base_layer().weight.detach().float()
            found[f"{name}.weight"] = (base + layer.get_delta_weight(_NAME).float()).cpu()
    return found
