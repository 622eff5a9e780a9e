# SPDX-License-Identifier: Apache-2.0
"""The weights of one block of the language tower, as the runner multiplies with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from lfmvl_ros.models.lfm2_vl.int8 import Int8Weight
from lfmvl_ros.models.lfm2_vl.int8_kernels import Int8Kernel

Weight = torch.Tensor | Int8Weight


@dataclass(eq=False)
class LayerWeights:
    """Weights of one block; the norms behind its halves, gate and window are LFM3's."""

    place: int
    kind: str  # as the configuration calls it

    norm: torch.Tensor
    ff_norm: torch.Tensor
    ff_in: Weight  # w1 over w3
    ff_out: Weight
    first: Weight  # convolution: B, C, x; attention: q, k, v
    first_bias: torch.Tensor | None
    last: Weight
    last_bias: torch.Tensor | None
    kernel: torch.Tensor | None = None  # (K, width) float32, convolution only
    kernel_bias: torch.Tensor | None = None
    head_norm: torch.Tensor | None = None  # (heads + kv heads, head width), attention only
    norm_after: torch.Tensor | None = None
    ff_norm_after: torch.Tensor | None = None
    gated: bool = False  # one gate a head, behind the values in ``first``
    window: int = 0  # positions that a query attends to, its own included; 0: all

    def in_int8(self, kernel: Int8Kernel) -> LayerWeights:
        """Return the same with int8 weights in the linear layers."""
        ff_in, ff_out, first, last = (
            weight if isinstance(weight, Int8Weight) else Int8Weight(weight, kernel)
            for weight in self.linears()
        )
        return replace(self, ff_in=ff_in, ff_out=ff_out, first=first, last=last)

    def linears(self) -> tuple[Weight, Weight, Weight, Weight]:
        """Return the weights of its linear layers."""
        return self.ff_in, self.ff_out, self.first, self.last


def fused(*linears: Any) -> torch.Tensor:
    """Stack the weights of linear layers into one, and let the layers use its parts.

    Nothing is stored twice: the modules keep working on views.
    """
    stacked = torch.cat([linear.weight.data for linear in linears])
    start = 0
    for linear in linears:
        stop = start + linear.weight.shape[0]
        linear.weight.data = stacked[start:stop]
        start = stop
    return stacked


def weights_of(place: int, kind: str, layer: Any, config: Any) -> LayerWeights:
    """Return the weights of a block of the loaded model; both keep sharing them.

    Args:
        place: its number.
        kind: as ``config.layer_types`` calls it.
        layer: module of transformers.
        config: of the language tower.
    """
    mlp = layer.feed_forward
    shared = {
        "place": place,
        "kind": kind,
        "norm": layer.operator_norm.weight,
        "ff_norm": layer.ffn_norm.weight,
        "ff_in": fused(mlp.w1, mlp.w3),
        "ff_out": mlp.w2.weight,
        "norm_after": getattr(getattr(layer, "post_operator_norm", None), "weight", None),
        "ff_norm_after": getattr(getattr(layer, "post_ffn_norm", None), "weight", None),
    }
    if not layer.is_attention_layer:
        conv = layer.conv
        return LayerWeights(
            **shared,
            first=conv.in_proj.weight,
            first_bias=conv.in_proj.bias,
            last=conv.out_proj.weight,
            last_bias=conv.out_proj.bias,
            kernel=conv.conv.weight[:, 0].t().float().contiguous(),
            kernel_bias=conv.conv.bias,
        )
    attention = layer.self_attn
    if hasattr(attention, "o_proj"):  # LFM3
        q_norm, k_norm, last = attention.q_norm, attention.k_norm, attention.o_proj
    else:
        q_norm, k_norm, last = (
            attention.q_layernorm, attention.k_layernorm, attention.out_proj,
        )  # fmt: skip
    gate = getattr(attention, "g_proj", None)
    parts = [attention.q_proj, attention.k_proj, attention.v_proj, *([gate] if gate else [])]
    norms = [q_norm.weight] * config.num_attention_heads + [
        k_norm.weight
    ] * config.num_key_value_heads
    return LayerWeights(
        **shared,
        first=fused(*parts),
        first_bias=None,
        last=last.weight,
        last_bias=None,
        head_norm=torch.stack(norms),
        gated=gate is not None,
        window=int(config.sliding_window or 0) if kind == "sliding_attention" else 0,
    )
