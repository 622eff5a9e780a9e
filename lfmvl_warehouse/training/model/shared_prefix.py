# SPDX-License-Identifier: Apache-2.0
"""The language tower over several questions about the same image: what they share is read once.

A prompt begins with its image, so that up to the last image token all questions about an image are
the same, and nothing later changes what is read there. That beginning, a third of the tokens and
most of them in tiled images, goes through the tower once for all of them; the rows of the
questions see its keys and values. Everything that works place by place works on one long list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.lfm2.modeling_lfm2 import apply_rotary_pos_emb, repeat_kv

from lfmvl_warehouse.training.model.causal_attention import causal_attention
from lfmvl_warehouse.training.model.tokenizer import IMAGE_ID


@dataclass(frozen=True)
class Rows:
    """I images with S shared places each, then B rows with T own places each, as one list.

    Attributes:
        images: I; the rows of an image follow each other.
        shared: S.
        rows: B, a multiple of I.
        own: T.
    """

    images: int
    shared: int
    rows: int
    own: int

    @property
    def questions(self) -> int:
        """Rows of an image."""
        return self.rows // self.images

    def split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(I * S + B * T, ...) -> (I, S, ...) and (B, T, ...)."""
        first = self.images * self.shared
        return values[:first].unflatten(0, (self.images, -1)), values[first:].unflatten(
            0, (self.rows, -1)
        )

    def for_each_row(self, shared: Tensor) -> Tensor:
        """(I, ...) -> (B, ...)."""
        return shared.repeat_interleave(self.questions, 0)

    def whole(self, values: Tensor) -> Tensor:
        """(I * S + B * T, ...) -> (B, S + T, ...), each row with what it shares before it."""
        shared, own = self.split(values)
        return torch.cat([self.for_each_row(shared), own], 1)

    def by_place(self, values: Tensor) -> Tensor:
        """(S + T, ...) values of places -> (I * S + B * T, ...)."""
        shared, own = values[: self.shared], values[self.shared :]
        times = [1] * (values.ndim - 1)
        return torch.cat([shared.repeat(self.images, *times), own.repeat(self.rows, *times)])


@dataclass(frozen=True)
class Attending:
    """Attention weights of an attention block.

    Attributes:
        queries: (B, H, T, C) of the rows' own places.
        keys: (B, K, S + T, C) of all places; H is a multiple of K.
        scaling: of their products.
        seen: (I, S, D) the block's (normalised) input at the shared places.
    """

    queries: Tensor
    keys: Tensor
    scaling: float
    seen: Tensor

    @property
    def heads(self) -> int:
        """H."""
        return self.queries.shape[1]

    def logs(self, row: Tensor, place: Tensor, heads: slice) -> Tensor:
        """Log-probabilities with which Q (row, place) look at all places.

        Args:
            row: int64 (Q,).
            place: int64 (Q,), one of the rows' own, counted from the first of all.
            heads: which of the heads.

        Returns:
            (Q, heads, S + T).
        """
        keys = repeat_kv(self.keys, self.heads // self.keys.shape[1])
        queries, keys = self.queries[:, heads].float(), keys[:, heads].float()
        scores = (queries @ keys.mT).mul(self.scaling)
        _, count, own, every = scores.shape
        head = torch.arange(count, device=row.device)
        index = (row[:, None] * count + head) * own + place[:, None] - (every - own)
        asked = scores.reshape(-1, every).index_select(0, index.flatten())
        asked = asked.view(len(row), count, every)
        future = torch.arange(every, device=row.device) > place[:, None]
        masked: Tensor = asked.masked_fill(future[:, None], -torch.inf)
        return masked.log_softmax(-1)


def shared_places(ids: Tensor) -> int:
    """S, how many places at the start of (B, T) token ids end with the last image token.

    Everything before the question is the same for all questions about an image.
    """
    return int((ids[0] == IMAGE_ID).nonzero()[-1]) + 1


def read(
    text: Any, shared: Tensor, own: Tensor, keep: tuple[int, ...]
) -> tuple[Tensor, dict[int, Attending]]:
    """Run the language tower on embedded tokens.

    Args:
        text: the language tower, an ``Lfm2Model``.
        shared: (I, S, D) embeddings of the beginning of all rows of an image.
        own: (B, T, D) those of the rest of each row.
        keep: attention blocks of which to tell who looks where.

    Returns:
        (B, T, D) the hidden states of the rest, and what those blocks looked at.
    """
    rows = Rows(*shared.shape[:2], *own.shape[:2])
    hidden = torch.cat([shared.flatten(0, 1), own.flatten(0, 1)])
    places = torch.arange(rows.shared + rows.own, device=hidden.device)
    cosines, sines = text.rotary_emb(hidden, position_ids=places[None])
    rotary = rows.by_place(cosines[0]), rows.by_place(sines[0])
    attending = {}
    for index, layer in enumerate(text.layers):
        normed = layer.operator_norm(hidden)
        if layer.is_attention_layer:
            mixed, looking = _attend(layer.self_attn, normed, rotary, rows)
            if index in keep:
                attending[index] = looking
        else:
            mixed = _convolve(layer.conv, normed, rows)
        hidden = hidden + mixed
        hidden = hidden + layer.feed_forward(layer.ffn_norm(hidden))
    return rows.split(text.embedding_norm(hidden))[1], attending


def _attend(
    attention: Any, hidden: Tensor, rotary: tuple[Tensor, Tensor], rows: Rows
) -> tuple[Tensor, Attending]:
    """One LFM2 attention block without cache; see ``Lfm2Attention.forward``."""
    shape = (len(hidden), -1, attention.head_dim)
    queries = attention.q_layernorm(attention.q_proj(hidden).view(shape))
    keys = attention.k_layernorm(attention.k_proj(hidden).view(shape))
    queries, keys = apply_rotary_pos_emb(queries, keys, *rotary)
    values = attention.v_proj(hidden).view(shape)
    scaling = attention.scaling
    first, own = (part.transpose(1, 2) for part in rows.split(queries))
    early_keys, early_values = (rows.split(part)[0].transpose(1, 2) for part in (keys, values))
    keys, values = (rows.whole(part).transpose(1, 2) for part in (keys, values))
    mixed = [
        causal_attention(first, early_keys, early_values, scaling=scaling),
        causal_attention(own, keys, values, scaling=scaling),
    ]
    output = attention.out_proj(torch.cat([part.flatten(0, 1).flatten(1) for part in mixed]))
    return output, Attending(own, keys, scaling, rows.split(hidden)[0])


def _convolve(block: Any, hidden: Tensor, rows: Rows) -> Tensor:
    """One LFM2 short convolution without cache; see ``Lfm2ShortConv.forward``."""
    before, after, values = block.in_proj(hidden).chunk(3, dim=-1)
    gated = before * values
    kernel = block.conv
    weight = kernel.weight.squeeze(1)
    reach = weight.shape[-1] - 1
    shared, own = rows.split(gated)
    shared = F.pad(shared, (0, 0, reach, 0))
    own = torch.cat([rows.for_each_row(shared[:, shared.shape[1] - reach :]), own], 1)
    mixed = [shift_convolution(part, weight, kernel.bias) for part in (shared, own)]
    output: Tensor = block.out_proj(after * torch.cat([part.flatten(0, 1) for part in mixed]))
    return output


def shift_convolution(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Depthwise convolution as shifted products: on a CPU its backward is much faster.

    Args:
        inputs: (B, K - 1 + T, D), the first K - 1 places for their effect on later ones only.
        weight: (D, K).
        bias: (D,) or None.

    Returns:
        (B, T, D).
    """
    taps = weight.shape[-1]
    length = inputs.shape[1] - taps + 1
    output = inputs[:, :length] * weight[:, 0]
    for tap in range(1, taps):
        output = output + inputs[:, tap : tap + length] * weight[:, tap]
    return output if bias is None else output + bias
