# SPDX-License-Identifier: Apache-2.0
"""The KV cache of one answer, with the inputs of LFM2's convolutions, indexed by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_GROW = 256  # positions; buffers grow in steps of this


@dataclass(frozen=True)
class CacheShape:
    """Sizes of the buffers: one convolution window or one pair of keys and values per layer.

    Attributes:
        convolutions: for each layer, True where it is a convolution.
        width: of the convolutions' inputs; kernel: how many of these they see.
        kv_heads, head_width: of the attention layers.
    """

    convolutions: tuple[bool, ...]
    width: int
    kernel: int
    kv_heads: int
    head_width: int


class RowCache:
    """Buffers of one row of a batch. Lower :attr:`length` to roll back; nothing is restored.

    Args:
        shape: sizes.
        like: gives precision and device.
    """

    def __init__(self, shape: CacheShape, like: torch.Tensor) -> None:
        self._shape, self._like = shape, like
        self.length = 0
        """Positions in use. Lower it to go back; never raise it."""
        self.capacity = 0
        self.windows: list[torch.Tensor] = []
        """Convolution inputs, ``(kernel - 1 + positions, width)``; empty for attention layers."""
        self.keys: list[torch.Tensor] = []
        """``(kv heads, positions, head width)``; empty for convolutions, as are ``values``."""
        self.values: list[torch.Tensor] = []

    def reserve(self, positions: int) -> None:
        """Make room for that many positions; if memory runs out, the content is unchanged."""
        if positions <= self.capacity:
            return
        capacity, shape = -(-positions // _GROW) * _GROW, self._shape
        window, cells = (capacity + shape.kernel - 1, shape.width), (shape.kv_heads, capacity)
        heads = (*cells, shape.head_width)
        grown: list[list[torch.Tensor]] = []
        for old, size, dim, wanted in (
            (self.windows, window, 0, True),
            (self.keys, heads, 1, False),
            (self.values, heads, 1, False),
        ):
            sizes = [size if kind is wanted else (0,) * len(size) for kind in shape.convolutions]
            grown.append(self._grown(old, sizes, dim))
        self.windows, self.keys, self.values = grown
        self.capacity = capacity

    def _grown(
        self, old: Sequence[torch.Tensor], sizes: Sequence[tuple[int, ...]], dim: int
    ) -> list[torch.Tensor]:
        new = [self._like.new_zeros(size) for size in sizes]
        for before, after in zip(old, new, strict=False):
            after.narrow(dim, 0, before.shape[dim]).copy_(before)
        return new


@dataclass(frozen=True, eq=False)
class Span:
    """The tokens of one row among those of a forward: ``x[first:first + count]``.

    They get the positions ``start`` to ``stop - 1`` of the row. The first ``prompt`` of them are
    computed together; the others as if they came one by one.
    """

    row: RowCache
    first: int
    count: int
    start: int
    prompt: int = 0

    @property
    def stop(self) -> int:
        """The position after the last one."""
        return self.start + self.count

    @property
    def cut(self) -> slice:
        """Where the tokens stand in the forward."""
        return slice(self.first, self.first + self.count)
