# SPDX-License-Identifier: Apache-2.0
"""Runs the language model of LFM2 and LFM3 directly, with a fraction of the overhead of generate.

The runner uses the loaded model's own weights with buffers indexed by position: keys and values of
the attention layers, and the inputs of the short convolutions. Appending writes after a row's
length; rolling back is ``length -= n``, and nothing has to be restored. For a small model,
``generate`` spends several times the time of the arithmetic on bookkeeping for each token.

Several answers are decoded together without padding: their tokens are stacked in one matrix, so
that each weight is loaded once for all of them. Only convolutions and attention run row by row.
With int8 weights, results are the same bit for bit however many tokens are in a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from lfmvl_ros.models.lfm2_vl.attention import attention, joined, product
from lfmvl_ros.models.lfm2_vl.int8 import Int8Weight
from lfmvl_ros.models.lfm2_vl.int8_kernels import Int8Kernel
from lfmvl_ros.models.lfm2_vl.kv_cache import CacheShape, RowCache, Span
from lfmvl_ros.models.lfm2_vl.layer_weights import LayerWeights, Weight, weights_of

_KEPT_ROWS = 8  # buffers kept for the next batch
_LAYERS = {"conv", "full_attention", "sliding_attention"}
_ROPE = {"Lfm2Model": {"default"}, "Lfm3Model": {"default", "proportional"}}
"""Towers that can be run, and the kinds of rotary embedding that they may have."""


def _tower(model: Any) -> Any:
    """Return the language tower of a model with a vision tower, or the whole of one without."""
    inner = getattr(model, "model", None)
    return getattr(inner, "language_model", inner)


class Lfm2Runner:
    """The language tower of a loaded LFM2-VL or LFM3-VL model, or a loaded LFM2.

    Args:
        model: keeps sharing its weights with the runner.
        int8: the linear layers and the output layer get int8 weights of their own, and this
            multiplies with them; on a CPU.
    """

    def __init__(self, model: Any, *, int8: Int8Kernel | None = None) -> None:
        tower = _tower(model)
        config = tower.config
        self._embedding: torch.Tensor = tower.embed_tokens.weight
        self.int8 = int8 is not None
        self.longest_draft = int8.longest_draft if int8 else None
        """Tokens of a draft behind the prompt that pay with these weights; None: not known."""
        head: torch.Tensor = model.lm_head.weight
        self._head: Weight = Int8Weight(head, int8) if int8 else head
        self._final_norm, self._eps = tower.embedding_norm.weight, float(config.norm_eps)
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._rotary = tower.rotary_emb
        self._head_width = int(
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        kinds = enumerate(zip(config.layer_types, tower.layers, strict=False))
        layers = [weights_of(place, *item, config) for place, item in kinds]
        self._layers = [layer.in_int8(int8) for layer in layers] if int8 else layers
        self._shape = CacheShape(
            tuple(layer.kernel is not None for layer in self._layers),
            self._embedding.shape[1],
            int(config.conv_L_cache),
            self._kv_heads,
            self._head_width,
        )
        self._angle_tables: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._one_rotary = type(tower).__name__ == "Lfm2Model"  # for all kinds of layers
        self._rows: list[RowCache] = []

    def rows(self, count: int) -> list[RowCache]:
        """Return the KV caches of the first ``count`` rows; a few more are kept for later."""
        del self._rows[max(count, _KEPT_ROWS) :]
        while len(self._rows) < count:
            self._rows.append(RowCache(self._shape, self._embedding))
        return self._rows[:count]

    @property
    def length(self) -> int:
        """Positions in use of the first row. Lower it to roll back; never raise it."""
        return self.rows(1)[0].length

    @length.setter
    def length(self, value: int) -> None:
        self.rows(1)[0].length = value

    @property
    def embedding(self) -> torch.Tensor:
        """``(vocabulary, width)``, the embedding of each token id."""
        return self._embedding

    @staticmethod
    def supports(model: Any) -> bool:
        """True for the plain architecture: no quantised layers, standard rotary embedding."""
        tower = _tower(model)
        known_ropes = _ROPE.get(type(tower).__name__)
        if known_ropes is None or getattr(tower, "hf_quantizer", None):
            return False
        config, ropes = tower.config, tower.config.rope_parameters
        kinds = ropes.values() if all(isinstance(v, dict) for v in ropes.values()) else [ropes]
        return (
            set(config.layer_types) <= _LAYERS
            and {kind.get("rope_type", "default") for kind in kinds} <= known_ropes
            and not getattr(config, "attention_bias", False)
            and model.device.type in ("cpu", "cuda")
            and all(
                type(module) is torch.nn.Linear
                for module in tower.modules()
                if hasattr(module, "in_features")
            )
        )

    def int8_weights(self) -> list[Int8Weight]:
        """Return its weights that are in int8."""
        every = [self._head, *(weight for layer in self._layers for weight in layer.linears())]
        return [weight for weight in every if isinstance(weight, Int8Weight)]

    @staticmethod
    def release(model: Any) -> None:
        """Free the weights that a runner with int8 weights replaces; the embedding stays.

        The weight of an output layer is the embedding in most checkpoints, and stays with it.
        """
        tower = model.model.language_model
        for module in (*tower.modules(), model.lm_head):
            if type(module) is not torch.nn.Linear:
                continue
            if module.weight is not tower.embed_tokens.weight:
                module.weight.data = module.weight.data.new_empty(0)

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float32 and weight.ndim == 1:
            return F.rms_norm(x, (x.shape[-1],), weight, self._eps)
        return F.rms_norm(x.float(), (x.shape[-1],), None, self._eps).to(x.dtype) * weight

    def append(
        self,
        ids: torch.Tensor | None = None,
        *,
        embeds: torch.Tensor | None = None,
        last: int | None = None,
    ) -> torch.Tensor:
        """Append tokens to the first row, as ids ``(T,)`` or embeddings ``(T, width)``.

        Returns:
            ``(T, vocabulary)`` float32, row i predicting what follows token i; only the ``last``
            rows where it is given.
        """
        count = len(ids) if ids is not None else len(embeds) if embeds is not None else 0
        last_rows = None if last is None else [last]
        return self.append_rows(self.rows(1), [count], ids, embeds=embeds, last=last_rows)

    @torch.inference_mode()
    def append_rows(
        self,
        rows: Sequence[RowCache],
        counts: Sequence[int],
        ids: torch.Tensor | None = None,
        *,
        embeds: torch.Tensor | None = None,
        last: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Append ``counts[i]`` tokens to ``rows[i]``, all in one forward pass.

        The tokens of the rows are concatenated, as ids ``(T,)`` or embeddings
        ``(T, width)``.

        Returns:
            ``(T, vocabulary)`` float32 in the same order; of each row only the ``last[i]`` last
            ones where that is given.
        """
        if ids is not None and embeds is None:
            x = F.embedding(ids, self._embedding)
        elif embeds is not None and ids is None:
            x = embeds
        else:
            raise ValueError("append takes either ids or embeds")
        spans, first = [], 0
        for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
            row.reserve(row.length + count)
            prompt = 0 if row.length else count + 1 - (last[index] if last is not None else 1)
            spans.append(Span(row, first, count, row.length, prompt))
            first += count
        angles: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for layer in self._layers:
            first_in = product(self._norm(x, layer.norm), layer.first, layer.first_bias)
            if layer.kernel is not None:
                mixed = self._convolve(layer, first_in, spans)
            else:
                if layer.kind not in angles:
                    angles[layer.kind] = self._angles(spans, layer.kind)
                mixed = self._attend(layer, first_in, spans, angles[layer.kind])
            x = x + self._after(mixed, layer.norm_after)
            gate, up = product(self._norm(x, layer.ff_norm), layer.ff_in).chunk(2, dim=-1)
            x = x + self._after(product(F.silu(gate) * up, layer.ff_out), layer.ff_norm_after)
        for span in spans:
            span.row.length = span.stop
        if last is not None:
            ends = [span.first + span.count for span in spans]
            x = joined([x[end - few : end] for end, few in zip(ends, last, strict=True)])
        return product(self._norm(x, self._final_norm), self._head).float()

    def _after(self, x: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        return x if weight is None else self._norm(x, weight)

    def _angles(self, spans: Sequence[Span], kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine and sine of the spans' positions in layers of a kind, ``(T, 1, head width)``."""
        most = max(span.row.capacity for span in spans)
        found = self._angle_tables.get(kind)
        if found is None or len(found[0]) < most:
            like, half = self._embedding, self._head_width // 2
            positions = torch.arange(most, device=like.device)[None]
            options = {} if self._one_rotary else {"layer_type": kind}
            cos, sin = self._rotary(like.new_zeros(1, 1, 1), position_ids=positions, **options)
            # rotate_half() as a roll: the sign it needs goes into the sine.
            sin = torch.cat([-sin[0][:, :half], sin[0][:, half:]], dim=-1)
            found = self._angle_tables[kind] = (cos[0][:, None], sin[:, None])
        return (
            joined([found[0][span.start : span.stop] for span in spans]),
            joined([found[1][span.start : span.stop] for span in spans]),
        )

    def _convolve(
        self, layer: LayerWeights, bcx: torch.Tensor, spans: Sequence[Span]
    ) -> torch.Tensor:
        """Gated short convolution over the last K inputs, those before position 0 being zero."""
        assert layer.kernel is not None
        b, c, u = bcx.chunk(3, dim=-1)
        inputs, taps = b * u, len(layer.kernel)
        parts = []
        for span in spans:
            window, start, stop = span.row.windows[layer.place], span.start, span.stop
            window[start + taps - 1 : stop + taps - 1] = inputs[span.cut]
            seen = window[start : stop + taps - 1].float()  # rounded once, as conv1d does
            mixed = seen[: span.count] * layer.kernel[0]
            for tap in range(1, taps):
                mixed = mixed + seen[tap : span.count + tap] * layer.kernel[tap]
            parts.append(mixed)
        mixed = joined(parts)
        if layer.kernel_bias is not None:
            mixed = mixed + layer.kernel_bias
        return product(c * mixed.to(c.dtype), layer.last, layer.last_bias)

    def _attend(
        self,
        layer: LayerWeights,
        qkv: torch.Tensor,
        spans: Sequence[Span],
        angles: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Causal grouped-query attention of each row over all of its positions."""
        assert layer.head_norm is not None
        width, rotated = self._head_width, self._heads + self._kv_heads
        gates = None
        if layer.gated:
            qkv, gates = qkv[:, : -self._heads], qkv[:, -self._heads :]
        heads = qkv.reshape(len(qkv), rotated + self._kv_heads, width)
        qk = self._norm(heads[:, :rotated], layer.head_norm)
        qk = (qk * angles[0] + qk.roll(width // 2, -1) * angles[1]).to(qk.dtype)
        parts = []
        for span in spans:
            start, stop, cut = span.start, span.stop, span.cut
            keys, values = span.row.keys[layer.place], span.row.values[layer.place]
            keys[:, start:stop] = qk[cut, self._heads :].transpose(0, 1)
            values[:, start:stop] = heads[cut, rotated:].transpose(0, 1)
            queries = qk[cut, : self._heads].transpose(0, 1)
            parts.append(
                attention(
                    queries,
                    keys[:, :stop],
                    values[:, :stop],
                    span.prompt,
                    layer.window,
                    alone=self.int8,
                )
            )
        out = joined(parts)
        if gates is not None:
            split = out.reshape(len(out), self._heads, width)
            out = (split * gates.sigmoid()[..., None]).reshape(len(out), -1)
        return product(out, layer.last)
