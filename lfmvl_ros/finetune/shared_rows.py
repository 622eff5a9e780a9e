# SPDX-License-Identifier: Apache-2.0
"""The language tower over several questions about one image: what they share is read once.

All prompts about an image begin alike, with its tokens, and nothing later changes what is read
there. So the tower reads one long list: first these beginnings, one of each image, then the rest of
each row, which looks back at its image's beginning. Nothing is padded. The results are those of the
rows one by one, to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import takewhile
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

_KIND = "lfm2"  # model_type of the language towers that are read this way


def can_share(model: Any) -> bool:
    """Return whether the language tower of a model is one that :func:`read` knows."""
    return bool(model.config.text_config.model_type == _KIND)


@dataclass(frozen=True)
class SharedRows:
    """Where the tokens of a batch are in the list: beginnings of I images, then rests of B rows.

    Attributes:
        shared: tokens that all rows of an image begin with, of each image, at least 1.
        own: further tokens of each row, at least 1.
        owner: (B,) which image a row is about; each image has a row.
    """

    shared: tuple[int, ...]
    own: tuple[int, ...]
    owner: tuple[int, ...]

    @classmethod
    def of(
        cls, rows: Sequence[Sequence[int]], prompts: Sequence[int], owner: Sequence[int]
    ) -> SharedRows:
        """Find what rows share.

        Args:
            rows: (B,) token ids.
            prompts: (B,) how many of them are the prompt's, at least 2. The last of these is never
                shared, so that each answer follows a token of its own row.
            owner: as in the attributes.
        """
        shared = []
        for image in range(max(owner) + 1):
            about = [row for row, its in enumerate(owner) if its == image]
            most = min(prompts[row] - 1 for row in about)
            begins = (rows[row][:most] for row in about)
            alike = (len(set(ids)) == 1 for ids in zip(*begins, strict=True))
            shared.append(sum(takewhile(bool, alike)))
        own = tuple(len(row) - shared[its] for row, its in zip(rows, owner, strict=True))
        return cls(tuple(shared), own, tuple(owner))

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """Where each part begins in the list, and where the last one ends: I + B + 1 values."""
        ends = torch.tensor((*self.shared, *self.own)).cumsum(0).tolist()
        return (0, *ends)

    def part(self, number: int) -> slice:
        """Return where a part is: an image's beginning, or row ``number - I``'s rest."""
        return slice(self.begins[number], self.begins[number + 1])

    @cached_property
    def places(self) -> Tensor:
        """(N,) int64 place of each token in its row."""
        first = (0,) * len(self.shared) + tuple(self.shared[its] for its in self.owner)
        count = (*self.shared, *self.own)
        return torch.cat([torch.arange(a, a + n) for a, n in zip(first, count, strict=True)])

    @cached_property
    def rows(self) -> Tensor:
        """(N,) int64 a row that has the token."""
        row = (*(self.owner.index(i) for i in range(len(self.shared))), *range(len(self.own)))
        return torch.tensor(row).repeat_interleave(torch.tensor((*self.shared, *self.own)))

    def lead_in(self, reach: int) -> tuple[Tensor, Tensor]:
        """Return the list with what lies up to ``reach`` places before each part put before it.

        Returns:
            (N + (I + B) * reach,) int64 tokens of the list, N standing for none; (N,) int64 where
            the list's own tokens are among these.
        """
        tokens, kept, length = [], [], 0
        for number in range(len(self.shared) + len(self.own)):
            own = torch.arange(*self.begins[number : number + 2])
            before = torch.full((reach,), self.begins[-1])
            if number >= len(self.shared):
                its = self.part(self.owner[number - len(self.shared)])
                seen = torch.arange(max(its.start, its.stop - reach), its.stop)
                before[reach - len(seen) :] = seen
            tokens += [before, own]
            kept.append(torch.arange(length + reach, length + reach + len(own)))
            length += reach + len(own)
        return torch.cat(tokens), torch.cat(kept)


def read(text: Any, embeds: Tensor, rows: SharedRows) -> Tensor:
    """Run the language tower.

    Args:
        text: an ``Lfm2Model``, with or without adapters.
        embeds: (N, D) embeddings of the list's tokens.
        rows: the list.

    Returns:
        (N, D) hidden states.
    """
    places = rows.places.to(embeds.device)[None]
    turn = tuple(part[0][:, None] for part in text.rotary_emb(embeds[None], position_ids=places))
    hidden = embeds
    for layer in text.layers:
        step = partial(_layer, layer, turn, rows)
        if text.training and getattr(layer, "gradient_checkpointing", False):
            hidden = checkpoint(step, hidden, use_reentrant=False)
        else:
            hidden = step(hidden)
    normed: Tensor = text.embedding_norm(hidden)
    return normed


def _layer(layer: Any, turn: tuple[Tensor, ...], rows: SharedRows, hidden: Tensor) -> Tensor:
    normed = layer.operator_norm(hidden)
    if layer.is_attention_layer:
        mixed = _attend(layer.self_attn, normed, turn, rows)
    else:
        mixed = _convolve(layer.conv, normed, rows)
    hidden = hidden + mixed
    result: Tensor = hidden + layer.feed_forward(layer.ffn_norm(hidden))
    return result


def _attend(block: Any, hidden: Tensor, turn: tuple[Tensor, ...], rows: SharedRows) -> Tensor:
    """One attention block; see ``Lfm2Attention.forward`` of transformers."""
    shape = (len(hidden), -1, block.head_dim)
    queries = _turned(block.q_layernorm(block.q_proj(hidden).view(shape)), turn)
    keys = _turned(block.k_layernorm(block.k_proj(hidden).view(shape)), turn)
    values = block.v_proj(hidden).view(shape)
    mixed = []
    for number in range(len(rows.shared) + len(rows.own)):
        own = rows.part(number)
        seen = [own]
        if number >= len(rows.shared):
            seen.insert(0, rows.part(rows.owner[number - len(rows.shared)]))
        mixed.append(_causal(queries[own], _joined(keys, seen), _joined(values, seen), block))
    output: Tensor = block.out_proj(torch.cat(mixed).flatten(1))
    return output


def _joined(values: Tensor, parts: Sequence[slice]) -> Tensor:
    return torch.cat([values[part] for part in parts]) if len(parts) > 1 else values[parts[0]]


def _causal(queries: Tensor, keys: Tensor, values: Tensor, block: Any) -> Tensor:
    """(T, H, C) queries of the last T of (S, K, C) keys and values -> (T, H, C)."""
    own, every = len(queries), len(keys)
    seen = torch.ones(own, every, dtype=torch.bool, device=queries.device).tril(every - own)
    mixed: Tensor = F.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        attn_mask=None if own == every else seen,
        is_causal=own == every,
        scale=block.scaling,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )
    return mixed[0].transpose(0, 1)


def _turned(values: Tensor, turn: tuple[Tensor, ...]) -> Tensor:
    """Apply rotary position embeddings to (N, H, C)."""
    cosines, sines = turn
    first, second = values.chunk(2, dim=-1)
    return values * cosines + torch.cat([-second, first], -1) * sines


def _convolve(block: Any, hidden: Tensor, rows: SharedRows) -> Tensor:
    """One short convolution; see ``Lfm2ShortConv.forward`` of transformers."""
    before, after, values = block.in_proj(hidden).chunk(3, dim=-1)
    weight = block.conv.weight.squeeze(1)  # (D, K)
    taps = weight.shape[1]
    tokens, kept = (part.to(hidden.device) for part in rows.lead_in(taps - 1))
    led = F.pad(before * values, (0, 0, 0, 1))[tokens]
    # Shifted products: on a CPU their backward pass is much faster than that of a convolution.
    mixed = sum(led[kept - (taps - 1 - tap)] * weight[:, tap] for tap in range(taps))
    if block.conv.bias is not None:
        mixed = mixed + block.conv.bias
    output: Tensor = block.out_proj(after * mixed)
    return output
