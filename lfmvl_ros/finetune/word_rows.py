# SPDX-License-Identifier: Apache-2.0
"""Trained word embeddings for a few tokens, so that a model can learn new names.

In this family the embedding is also the output head. What is trained is a float32 difference for
some of its rows, added wherever the table is used; the table itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WordRows(nn.Module):
    """Differences to rows of a shared embedding table.

    Args:
        token_ids: the rows, each once.
        vocabulary: rows of the table.
        width: columns of the table.
    """

    place: Tensor
    ids: Tensor

    def __init__(self, token_ids: Sequence[int], vocabulary: int, width: int) -> None:
        super().__init__()
        ids = sorted(set(token_ids))
        self.difference = nn.Parameter(torch.zeros(len(ids), width))
        place = torch.full((vocabulary,), len(ids))
        place[ids] = torch.arange(len(ids))
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("ids", torch.tensor(ids, dtype=torch.long), persistent=False)

    def __len__(self) -> int:
        return len(self.difference)

    def embed(self, ids: Tensor, embeds: Tensor) -> Tensor:
        """Return embeddings ``(B, T, width)`` of ``ids`` with the differences added."""
        if not len(self):
            return embeds
        padded = F.pad(self.difference, (0, 0, 0, 1))  # the last row, zeros: all other tokens
        return embeds + padded[self.place[ids]].to(embeds.dtype)

    def score(self, hidden: Tensor, logits: Tensor) -> Tensor:
        """Return logits ``(N, vocabulary)`` in float32 with the differences added."""
        logits = logits.float()
        if not len(self):
            return logits
        more = hidden.float() @ self.difference.T
        return logits.index_add(1, self.ids, more)

    @torch.no_grad()
    def table(self, weight: Tensor) -> Tensor:
        """Return the whole table with the differences added, float32 on the CPU."""
        whole = weight.detach().float().cpu().clone()
        whole[self.ids.cpu()] += self.difference.cpu()
        return whole
