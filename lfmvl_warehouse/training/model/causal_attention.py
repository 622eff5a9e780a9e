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
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "lfmvl_plain"


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scaling: float, causal: bool
) -> Tensor:
    """Softmax attention over all places, or over those up to the query's own.

    Args:
        query: (B, H, S, C), of the last S places.
        key: (B, K, T, C) of all places; H is a multiple of K, and heads that share keys follow
            each other.
        value: (B, K, T, C).
        scaling: of the products.
        causal: whether places see only what is before them, and themselves.

    Returns:
        (B, S, H, C).
    """
    batch, heads, own, width = query.shape
    flat = (batch * key.shape[1], -1, width)
    query, key, value = (part.reshape(flat) for part in (query, key, value))
    if causal:
        mask = torch.zeros(own, key.shape[1], dtype=query.dtype).masked_fill_(
            _future(own, key.shape[1], query.device), -torch.inf
        )
        mask = mask.repeat(query.shape[1] // own, 1)
        scores = torch.baddbmm(mask.expand(len(query), -1, -1), query, key.mT, alpha=scaling)
    else:
        scores = torch.bmm(query * scaling, key.mT)
    mixed = torch.bmm(scores.softmax(-1), value)
    return mixed.view(batch, heads, own, width).transpose(1, 2).contiguous()


def causal_attention(query: Tensor, key: Tensor, value: Tensor, *, scaling: float) -> Tensor:
    """Causal :func:`plain_attention` on a CPU, torch's fused kernel on other devices."""
    if query.device.type == "cpu":
        return plain_attention(query, key, value, scaling=scaling, causal=True)
    seen = ~_future(query.shape[2], key.shape[2], query.device)
    grouped = query.shape[1] != key.shape[1]
    mixed = F.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, scale=scaling, enable_gqa=grouped
    )
    return mixed.transpose(1, 2).contiguous()


def _future(own: int, every: int, device: torch.device) -> Tensor:
    """(own, every) whether a place is behind each of the last ``own`` ones."""
    return torch.ones(own, every, dtype=torch.bool, device=device).triu(1 + every - own)


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
    causal = bool(module.is_causal) if is_causal is None else is_causal
    if attention_mask is not None or query.shape[2] != key.shape[2] or query.device.type != "cpu":
        mixed, _ = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            scaling=scaling,
            is_causal=is_causal,
            **others,
        )
        return mixed, None
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return plain_attention(query, key, value, scaling=scaling, causal=causal), None


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)  # else padding would be seen


def use_plain_attention(model: PreTrainedModel) -> None:
    """Let all attention of a model run this way; its configuration keeps no trace on disk."""
    model.set_attn_implementation(NAME)
