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
from itertools import accumulate, takewhile
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

    @property
    def parts(self) -> int:
        """I + B."""
        return len(self.shared) + len(self.own)

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """Where each part begins in the list, and where the last one ends: I + B + 1 values."""
        return tuple(accumulate((*self.shared, *self.own), initial=0))

    def part(self, number: int) -> slice:
        """Return where a part is: an image's beginning, or row ``number - I``'s rest."""
        return slice(self.begins[number], self.begins[number + 1])

    def before(self, number: int) -> slice:
        """Return where what a part looks back at is: its image's beginning; nothing for these."""
        row = number - len(self.shared)
        return slice(0, 0) if row < 0 else self.part(self.owner[row])

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
        for number in range(self.parts):
            own = torch.arange(*self.begins[number : number + 2])
            its = self.before(number)
            seen = torch.arange(max(its.start, its.stop - reach), its.stop)
            none = torch.full((reach - len(seen),), self.begins[-1])
            tokens += [none, seen, own]
            kept.append(torch.arange(length + reach, length + reach + len(own)))
            length += reach + len(own)
        return torch.cat(tokens), torch.cat(kept)


@dataclass(frozen=True, eq=False)
class _Layout:
    """What all layers need of a list, computed once.

    Attributes:
        rows: the list.
        turn: cosines and sines of the rotary embeddings, (N, 1, C) each.
        led: see :meth:`SharedRows.lead_in`, for the reach of the convolutions.
        kept: likewise.
        seen: bool (T, S) for each part of T tokens, which of the S that it looks at each sees;
            None where these are its own, up to the token itself.
    """

    rows: SharedRows
    turn: tuple[Tensor, Tensor]
    led: Tensor
    kept: Tensor
    seen: tuple[Tensor | None, ...]

    @classmethod
    def of(cls, text: Any, embeds: Tensor, rows: SharedRows) -> _Layout:
        device = embeds.device
        places = rows.places.to(device)[None]
        cosines, sines = text.rotary_emb(embeds[None], position_ids=places)
        led, kept = rows.lead_in(text.config.conv_L_cache - 1)
        seen = []
        for number in range(rows.parts):
            before, own = rows.before(number), rows.part(number)
            early, late = before.stop - before.start, own.stop - own.start
            every = torch.ones(late, early + late, dtype=torch.bool, device=device)
            seen.append(every.tril(early) if early else None)
        turn = cosines[0][:, None], sines[0][:, None]
        return cls(rows, turn, led.to(device), kept.to(device), tuple(seen))


def read(text: Any, embeds: Tensor, rows: SharedRows) -> Tensor:
    """Run the language tower.

    Args:
        text: an ``Lfm2Model``, with or without adapters.
        embeds: (N, D) embeddings of the list's tokens.
        rows: the list.

    Returns:
        (N, D) hidden states.
    """
    layout = _Layout.of(text, embeds, rows)
    hidden = embeds
    for layer in text.layers:
        step = partial(_layer, layer, layout)
        if text.training and getattr(layer, "gradient_checkpointing", False):
            hidden = checkpoint(step, hidden, use_reentrant=False)
        else:
            hidden = step(hidden)
    normed: Tensor = text.embedding_norm(hidden)
    return normed


def _layer(layer: Any, layout: _Layout, hidden: Tensor) -> Tensor:
    normed = layer.operator_norm(hidden)
    if layer.is_attention_layer:
        mixed = _attend(layer.self_attn, normed, layout)
    else:
        mixed = _convolve(layer.conv, normed, layout)
    hidden = hidden + mixed
    result: Tensor = hidden + layer.feed_forward(layer.ffn_norm(hidden))
    return result


def _attend(block: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One attention block; see ``Lfm2Attention.forward`` of transformers."""
    shape = (len(hidden), -1, block.head_dim)
    queries = _turned(block.q_layernorm(block.q_proj(hidden).view(shape)), layout.turn)
    keys = _turned(block.k_layernorm(block.k_proj(hidden).view(shape)), layout.turn)
    values = block.v_proj(hidden).view(shape)
    mixed = []
    for number, seen in enumerate(layout.seen):
        before, own = layout.rows.before(number), layout.rows.part(number)
        near_keys, near_values = (torch.cat([x[before], x[own]]) for x in (keys, values))
        mixed.append(_causal(queries[own], near_keys, near_values, seen, block.scaling))
    output: Tensor = block.out_proj(torch.cat(mixed).flatten(1))
    return output


def _causal(
    queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None, scaling: float
) -> Tensor:
    """(T, H, C) queries, (S, K, C) keys and values -> (T, H, C)."""
    mixed: Tensor = F.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        attn_mask=seen,
        is_causal=seen is None,
        scale=scaling,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )
    return mixed[0].transpose(0, 1)


def _turned(values: Tensor, turn: tuple[Tensor, ...]) -> Tensor:
    """Apply rotary position embeddings to (N, H, C)."""
    cosines, sines = turn
    first, second = values.chunk(2, dim=-1)
    return values * cosines + torch.cat([-second, first], -1) * sines


def _convolve(block: Any, hidden: Tensor, layout: _Layout) -> Tensor:
    """One short convolution; see ``Lfm2ShortConv.forward`` of transformers."""
    before, after, values = block.in_proj(hidden).chunk(3, dim=-1)
    weight = block.conv.weight.squeeze(1)  # (D, K)
    taps = weight.shape[1]
    led, kept = F.pad(before * values, (0, 0, 0, 1))[layout.led], layout.kept
    # Shifted products: on a CPU their backward pass is much faster than that of a convolution.
    mixed = sum(led[kept - (taps - 1 - tap)] * weight[:, tap] for tap in range(taps))
    if block.conv.bias is not None:
        mixed = mixed + block.conv.bias
    output: Tensor = block.out_proj(after * mixed)
    return output
