# SPDX-License-Identifier: Apache-2.0
"""Attention as plain batched products, for training short sequences on a CPU.

torch's fused kernel never holds all scores, which pays when sequences are long or memory is short.
With 250 places and heads of 32 channels in bfloat16 forward and backward take 1.2 to 1.7 times as
long as two batched products and a softmax; ``benchmarks/training_attention.py`` measures it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.models.lfm2.modeling_lfm2 import repeat_kv

NAME = "lfmvl_plain"


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scaling: float, causal: bool
) -> Tensor:
    """Softmax attention of every place over all places, or over those up to its own.

    Args:
        query: (B, H, T, C).
        key: (B, H, T, C).
        value: (B, H, T, C).
        scaling: of the products.
        causal: whether places see only what is before them, and themselves.

    Returns:
        (B, T, H, C).
    """
    batch, heads, length, width = query.shape
    flat = (batch * heads, length, width)
    query, key, value = (part.reshape(flat) for part in (query, key, value))
    if causal:
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        mask = torch.zeros(length, length, dtype=query.dtype).masked_fill_(hidden, -torch.inf)
        scores = torch.baddbmm(mask.expand(len(query), -1, -1), query, key.mT, alpha=scaling)
    else:
        scores = torch.bmm(query * scaling, key.mT)
    mixed = torch.bmm(scores.softmax(-1), value)
    return mixed.view(batch, heads, length, width).transpose(1, 2).contiguous()


def _forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls; anything but whole, equally long sequences goes to torch's own."""
    causal = module.is_causal if is_causal is None else is_causal
    if attention_mask is not None or query.shape[2] != key.shape[2] or query.device.type != "cpu":
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            scaling=scaling,
            is_causal=is_causal,
            **others,
        )
    groups = getattr(module, "num_key_value_groups", 1)
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return plain_attention(query, key, value, scaling=scaling, causal=causal), None


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)  # else padding would be seen


def use_plain_attention(model: PreTrainedModel) -> None:
    """Let all attention of a model run this way; its configuration keeps no trace on disk."""
    model.set_attn_implementation(NAME)
