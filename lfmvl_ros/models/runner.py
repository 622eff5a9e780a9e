# SPDX-License-Identifier: Apache-2.0
"""LFM2's language tower, run directly: one answer at a time, at a fraction of the overhead.

The runner uses the loaded model's own weights with buffers indexed by position: keys and values of
the attention layers, and the inputs of the short convolutions. Appending writes behind
:attr:`Lfm2Runner.length`; going back is ``length -= n``, with nothing to restore. transformers'
``generate`` pays several times the arithmetic of a small model in bookkeeping for each token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

_GROW = 256  # positions; buffers grow in steps of this


@dataclass(eq=False)
class _Layer:
    """Weights of one block, and what it remembers of each position."""

    norm: torch.Tensor
    ff_norm: torch.Tensor
    ff_in: torch.Tensor  # w1 over w3
    ff_out: torch.Tensor
    first: torch.Tensor  # convolution: B, C, x; attention: q, k, v
    first_bias: torch.Tensor | None
    last: torch.Tensor
    last_bias: torch.Tensor | None
    kernel: torch.Tensor | None = None  # (K, width), convolution only
    kernel_bias: torch.Tensor | None = None
    head_norm: torch.Tensor | None = None  # (heads + kv heads, head width), attention only
    memory: torch.Tensor | None = None  # convolution: (positions + K - 1, width)
    keys: torch.Tensor | None = None  # attention: (kv heads, positions, head width)
    values: torch.Tensor | None = None


def _fused(*linears: Any) -> torch.Tensor:
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


class Lfm2Runner:
    """The language tower of a loaded ``Lfm2VlForConditionalGeneration``, batch 1."""

    def __init__(self, model: Any) -> None:
        tower = model.model.language_model
        config = tower.config
        self._embedding, self._head = tower.embed_tokens.weight, model.lm_head.weight
        self._final_norm, self._eps = tower.embedding_norm.weight, float(config.norm_eps)
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._kernel_size = int(config.conv_L_cache)
        self._rotary = tower.rotary_emb
        self._head_width = int(
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        self._layers = [self._layer(layer) for layer in tower.layers]
        self._capacity = 0
        self._cos = self._sin = torch.empty(0)
        self.length = 0
        """Positions in use. Lower it to go back; never raise it."""
        self._reserve(_GROW)

    @property
    def embedding(self) -> torch.Tensor:
        """``(vocabulary, width)``, what :meth:`append` turns ids into."""
        return self._embedding

    @staticmethod
    def supports(model: Any) -> bool:
        """True for the plain architecture: no quantised layers, standard rotary embedding."""
        tower = getattr(getattr(model, "model", None), "language_model", None)
        if type(tower).__name__ != "Lfm2Model" or getattr(tower, "hf_quantizer", None):
            return False
        config = tower.config
        return (
            set(config.layer_types) <= {"conv", "full_attention"}
            and config.rope_parameters.get("rope_type", "default") == "default"
            and model.device.type in ("cpu", "cuda")
            and all(
                type(module) is torch.nn.Linear
                for module in tower.modules()
                if hasattr(module, "in_features")
            )
        )

    def _layer(self, layer: Any) -> _Layer:
        mlp = layer.feed_forward
        shared = {
            "norm": layer.operator_norm.weight,
            "ff_norm": layer.ffn_norm.weight,
            "ff_in": _fused(mlp.w1, mlp.w3),
            "ff_out": mlp.w2.weight,
        }
        if not layer.is_attention_layer:
            conv = layer.conv
            return _Layer(
                **shared,
                first=conv.in_proj.weight,
                first_bias=conv.in_proj.bias,
                last=conv.out_proj.weight,
                last_bias=conv.out_proj.bias,
                kernel=conv.conv.weight[:, 0].t().contiguous(),
                kernel_bias=conv.conv.bias,
            )
        attention = layer.self_attn
        norms = [attention.q_layernorm.weight] * self._heads
        norms += [attention.k_layernorm.weight] * self._kv_heads
        return _Layer(
            **shared,
            first=_fused(attention.q_proj, attention.k_proj, attention.v_proj),
            first_bias=None,
            last=attention.out_proj.weight,
            last_bias=None,
            head_norm=torch.stack(norms),
        )

    def _reserve(self, positions: int) -> None:
        """Make room for that many positions, keeping what is remembered."""
        if positions <= self._capacity:
            return
        self._capacity = -(-positions // _GROW) * _GROW
        like, width = self._embedding, self._head_width
        for layer in self._layers:
            if layer.kernel is not None:
                rows = self._capacity + self._kernel_size - 1
                layer.memory = _grown(layer.memory, like.new_zeros(rows, like.shape[1]), 0)
            else:
                room = (self._kv_heads, self._capacity, width)
                layer.keys = _grown(layer.keys, like.new_zeros(room), 1)
                layer.values = _grown(layer.values, like.new_zeros(room), 1)
        positions_row = torch.arange(self._capacity, device=like.device)[None]
        cos, sin = self._rotary(like.new_zeros(1, 1, 1), position_ids=positions_row)
        half = width // 2
        # rotate_half() as a roll: the sign it needs goes into the sine.
        self._cos = cos[0][:, None]
        self._sin = torch.cat([-sin[0][:, :half], sin[0][:, half:]], dim=-1)[:, None]

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float32 and weight.ndim == 1:
            return F.rms_norm(x, (x.shape[-1],), weight, self._eps)
        return F.rms_norm(x.float(), (x.shape[-1],), None, self._eps).to(x.dtype) * weight

    @torch.inference_mode()
    def append(
        self,
        ids: torch.Tensor | None = None,
        *,
        embeds: torch.Tensor | None = None,
        last: int | None = None,
    ) -> torch.Tensor:
        """Append tokens, given as ids ``(T,)`` or embeddings ``(T, width)``; return their logits.

        Returns:
            ``(T, vocabulary)`` float32, row i predicting what follows token i; only the ``last``
            rows where it is given.
        """
        if (ids is None) == (embeds is None):
            raise ValueError("append takes either ids or embeds")
        x = F.embedding(ids, self._embedding) if embeds is None else embeds
        start, stop = self.length, self.length + x.shape[0]
        self._reserve(stop)
        for layer in self._layers:
            h = self._norm(x, layer.norm)
            mixed = self._convolve if layer.kernel is not None else self._attend
            x = x + mixed(layer, F.linear(h, layer.first, layer.first_bias), start, stop)
            gate, up = F.linear(self._norm(x, layer.ff_norm), layer.ff_in).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer.ff_out)
        self.length = stop
        if last is not None:
            x = x[-last:]
        return F.linear(self._norm(x, self._final_norm), self._head).float()

    def _convolve(self, layer: _Layer, bcx: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Gated short convolution over the last K inputs, those before position 0 being zero."""
        assert layer.memory is not None
        assert layer.kernel is not None
        b, c, u = bcx.chunk(3, dim=-1)
        lead = self._kernel_size - 1
        layer.memory[start + lead : stop + lead] = b * u
        mixed = layer.memory[start:stop] * layer.kernel[0]
        for tap in range(1, self._kernel_size):
            mixed = mixed + layer.memory[start + tap : stop + tap] * layer.kernel[tap]
        if layer.kernel_bias is not None:
            mixed = mixed + layer.kernel_bias
        return F.linear(c * mixed, layer.last, layer.last_bias)

    def _attend(self, layer: _Layer, qkv: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Causal grouped-query attention over everything up to ``stop``."""
        assert layer.keys is not None
        assert layer.values is not None
        assert layer.head_norm is not None
        count, width, rotated = stop - start, self._head_width, self._heads + self._kv_heads
        heads = qkv.view(count, rotated + self._kv_heads, width)
        qk = self._norm(heads[:, :rotated], layer.head_norm)
        qk = qk * self._cos[start:stop] + qk.roll(width // 2, -1) * self._sin[start:stop]
        layer.keys[:, start:stop] = qk[:, self._heads :].transpose(0, 1)
        layer.values[:, start:stop] = heads[:, rotated:].transpose(0, 1)
        queries = qk[:, : self._heads].transpose(0, 1)
        keys, values = layer.keys[:, :stop], layer.values[:, :stop]
        if count == 1:  # the query heads of a group as the rows of one matrix: nothing repeated
            queries = queries.reshape(self._kv_heads, -1, width)
            weights = torch.bmm(queries, keys.transpose(1, 2)) * width**-0.5
            weights = torch.softmax(weights, dim=-1, dtype=torch.float32).to(values.dtype)
            out = torch.bmm(weights, values).reshape(1, -1)
        else:
            mask = None
            if start:
                rows = torch.ones(count, stop, dtype=torch.bool, device=qkv.device)
                mask = rows.tril_(start)
            out = F.scaled_dot_product_attention(
                queries[None], keys[None], values[None],
                attn_mask=mask, is_causal=mask is None, enable_gqa=True,
            )[0].transpose(0, 1).reshape(count, -1)  # fmt: skip
        return F.linear(out, layer.last)


def _grown(old: torch.Tensor | None, new: torch.Tensor, dim: int) -> torch.Tensor:
    if old is not None:
        new.narrow(dim, 0, old.shape[dim]).copy_(old)
    return new
