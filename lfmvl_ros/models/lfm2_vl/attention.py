# SPDX-License-Identifier: Apache-2.0
"""Attention and matrix products whose results do not depend on how many tokens are in a pass.

A kernel for several rows may sum in another order than the kernel for one. In float32 the
difference is too small to matter. In bfloat16 it is not: two digits of a coordinate are often
nearly equally likely, and most answers would differ in some digit. So, in half precision on a CPU:

* each query of a block attends on its own, as it would without a draft; the prompt attends as a
  whole (keys and values come from the cache in both cases);
* a product with a single row is computed as one with two rows: with two or more, the rows do not
  affect each other, while a single row uses another kernel.

With int8 weights products are exact whatever the number of rows, and with queries that attend on
their own the whole pass is: its results are the same bit for bit.

Loading the weights takes most of the time, and they are still loaded once for the whole block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from lfmvl_ros.models.lfm2_vl.int8 import Int8Weight


def attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    prompt: int,
    window: int = 0,
    *,
    alone: bool = False,
) -> torch.Tensor:
    """Causal attention of the last positions.

    Args:
        queries: ``(heads, T, width)``, of the last T positions.
        keys: ``(kv heads, positions, width)``.
        values: of the same shape.
        prompt: how many of the T, from the first on, belong to the prompt.
        window: how many positions a query attends to, including its own; 0 means all.
        alone: each query behind the prompt attends on its own, in any precision.

    Returns:
        ``(T, heads * width)``.
    """
    count = queries.shape[1]
    if window and keys.shape[1] > window + count - 1:  # no query reaches what lies before
        least = keys.shape[1] - window - count + 1
        keys, values = keys[:, least:], values[:, least:]
    kv_heads, _, width = keys.shape
    if alone or (count > 1 and _is_delicate(keys)):
        return _one_by_one(queries, keys, values, prompt, window)
    if count == 1 and keys.dtype == torch.float32:
        # The query heads of a group as the rows of one matrix: nothing repeated.
        queries = queries.reshape(kv_heads, -1, width)
        weights = torch.bmm(queries, keys.transpose(1, 2)) * width**-0.5
        return torch.bmm(torch.softmax(weights, dim=-1), values).reshape(1, -1)
    return _block(queries, keys, values, window)


def _block(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, window: int
) -> torch.Tensor:
    count, stop = queries.shape[1], keys.shape[1]
    mask = None
    if count > 1 and (stop > count or 0 < window < stop):
        mask = torch.ones(count, stop, dtype=torch.bool, device=keys.device).tril_(stop - count)
        if window:
            mask.triu_(stop - count - window + 1)
    return _sdpa(queries, keys, values, attn_mask=mask, is_causal=mask is None and stop == count)


def _one_by_one(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, prompt: int, window: int
) -> torch.Tensor:
    """The same, with results bit for bit as with one query at a time."""
    count, stop = queries.shape[1], keys.shape[1]
    parts = []
    if prompt:
        parts.append(_block(queries[:, :prompt], keys[:, :prompt], values[:, :prompt], window))
    for place in range(prompt, count):
        seen = stop - count + place + 1
        first = max(0, seen - window) if window else 0
        one = queries[:, place : place + 1]
        parts.append(_sdpa(one, keys[:, first:seen], values[:, first:seen]))
    return joined(parts)


def _sdpa(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, **options: Any
) -> torch.Tensor:
    out = F.scaled_dot_product_attention(
        queries[None], keys[None], values[None], enable_gqa=True, **options
    )
    return out[0].transpose(0, 1).reshape(queries.shape[1], -1)


def joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Concatenate; a single part is returned without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def product(
    x: torch.Tensor, weight: torch.Tensor | Int8Weight, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Return ``x @ weight.T + bias``; no row of ``(T, width)`` depends on the number of rows."""
    if isinstance(weight, Int8Weight):
        return weight.product(x, bias)
    if len(x) == 1 and _is_delicate(x):
        return F.linear(x.expand(2, -1), weight, bias)[:1]
    return F.linear(x, weight, bias)


def _is_delicate(x: torch.Tensor) -> bool:
    return x.dtype != torch.float32 and x.device.type == "cpu"
