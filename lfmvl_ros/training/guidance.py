# SPDX-License-Identifier: Apache-2.0
"""Show the language tower where to look while it writes a label or a number (training only).

To write a corner, a place in the answer has to remember which object it is about and to attend to
the image tokens that show it. That is two hops of attention, which a small model takes very long to
find. The truth says where to look, so half of the heads of one layer are told. To write a label as
it was asked, whatever its language, a later layer is told where in the prompt its words are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.lfm2.modeling_lfm2 import apply_rotary_pos_emb, repeat_kv

from lfmvl_ros.training.data import Batch
from lfmvl_ros.training.geometry import Grid
from lfmvl_ros.training.tokenizer import IMAGE_ID


def image_tokens_of(boxes: Tensor, grid: Grid) -> Tensor:
    """(Q, 4) normalised boxes -> (Q, N) bool, the image tokens whose middle a box covers.

    A box that covers no middle gets the token its own middle lies in.
    """
    middles = torch.from_numpy(grid.token_middles()).to(boxes.device)
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    covered = ((middles > low) & (middles < high)).all(-1)
    nearest = (middles - (low + high) / 2).square().sum(-1).argmin(1)
    every = torch.arange(len(boxes), device=boxes.device)
    covered[every, nearest] |= ~covered.any(1)
    return covered


def image_guidance(
    attention: nn.Module, hidden: Tensor, rotary: tuple[Tensor, Tensor], batch: Batch
) -> Tensor:
    """Mean surprise, in nats, of the first half of the heads looking at the object being written.

    Args:
        attention: an ``Lfm2Attention``.
        hidden: (B, T, D) its (normalised) input.
        rotary: cosines and sines for T places.
        batch: its ``subject`` and ``answered`` say which object each place is about.
    """
    row, place = (batch.subject >= 0).nonzero(as_tuple=True)
    if not len(row):
        return hidden.sum() * 0
    logs = _log_attention(attention, hidden, rotary, (row, place), first_half=True)
    boxes = batch.answered[row, batch.subject[row, place]]
    looked = logs[:, :, batch.ids[0] == IMAGE_ID]
    wanted = image_tokens_of(boxes, batch.grid)
    return -looked.masked_fill(~wanted[:, None], -torch.inf).logsumexp(-1).mean()


def word_guidance(
    attention: nn.Module, hidden: Tensor, rotary: tuple[Tensor, Tensor], batch: Batch
) -> Tensor:
    """Mean surprise of the second half of the heads looking at the words that a label repeats.

    Arguments as of :func:`image_guidance`; the batch's ``source`` says where those words are.
    """
    row, place = (batch.source[..., 1] > 0).nonzero(as_tuple=True)
    if not len(row):
        return hidden.sum() * 0
    logs = _log_attention(attention, hidden, rotary, (row, place), first_half=False)
    start, stop = batch.source[row, place].unbind(-1)
    places = torch.arange(hidden.shape[1], device=row.device)
    wanted = (places >= start[:, None]) & (places < stop[:, None])
    return -logs.masked_fill(~wanted[:, None], -torch.inf).logsumexp(-1).mean()


def _log_attention(
    attention: nn.Module,
    hidden: Tensor,
    rotary: tuple[Tensor, Tensor],
    asked: tuple[Tensor, Tensor],
    *,
    first_half: bool,
) -> Tensor:
    """(Q, heads, T) log-probabilities with which half of the heads look from Q (row, place)."""
    row, place = asked
    shape = (*hidden.shape[:-1], -1, attention.head_dim)
    queries = attention.q_layernorm(attention.q_proj(hidden).view(shape)).transpose(1, 2)
    keys = attention.k_layernorm(attention.k_proj(hidden).view(shape)).transpose(1, 2)
    queries, keys = apply_rotary_pos_emb(queries, keys, *rotary)
    keys = repeat_kv(keys, attention.num_key_value_groups)
    half = queries.shape[1] // 2
    heads = slice(half) if first_half else slice(half, None)
    scores = queries[row, heads, place, None].float() @ keys[row, heads].float().mT
    scores = scores[:, :, 0] * attention.scaling
    future = torch.arange(hidden.shape[1], device=place.device) > place[:, None]
    return scores.masked_fill(future[:, None], -torch.inf).log_softmax(-1)
