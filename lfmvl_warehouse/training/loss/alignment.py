# SPDX-License-Identifier: Apache-2.0
"""Make image tokens speak the language tower's own words (training only).

An answer is a copy: the label's position has to find the image tokens that show such a thing, and
to read a corner off them. Both are easy once an image token looks like the embedding of its
object's words and holds its corners in the basis of the coordinate tokens, and take very long to
come about by themselves. This loss asks for it directly, at the projector's output.

A tile does not know where in the image it is, so its corners there are those within the tile. The
language tower has the markers to reckon with; a second loss asks, inside of it, for the corners of
the object in the whole image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from lfmvl_warehouse.training.data.batches import ExampleBatch

_SHARPNESS = 10.0
_COLOUR_WEIGHT = 0.5
_CORNER_WEIGHT = 0.5


def word_table(tokenizer: PreTrainedTokenizerFast, names: Sequence[str], size: int) -> Tensor:
    """(names, vocabulary) weights that average the embeddings of each name's tokens."""
    table = torch.zeros(len(names), size)
    for row, name in enumerate(names):
        ids = {*tokenizer.encode(name, add_special_tokens=False)}
        ids |= {*tokenizer.encode(f" {name}", add_special_tokens=False)}
        table[row, list(ids)] = 1 / len(ids)
    return table


class Alignment(nn.Module):
    """Loss between image tokens and the words and coordinates of what they show."""

    kinds: Tensor
    colours: Tensor
    pairs: Tensor

    def __init__(self, kinds: Tensor, colours: Tensor, pair_ids: Sequence[int], width: int) -> None:
        """Take word tables of kinds and colours, the coordinate tokens, and the text width."""
        super().__init__()
        self.corner_head = nn.Linear(width, 4 * width)
        self.place_head = nn.Linear(width, 4 * width)
        self.register_buffer("kinds", kinds, persistent=False)
        self.register_buffer("colours", colours, persistent=False)
        self.register_buffer("pairs", torch.tensor(pair_ids), persistent=False)

    def forward(self, tokens: Tensor, table: Tensor, batch: ExampleBatch, soft: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            tokens: (I, N, D) image tokens as the language tower gets them.
            table: (vocabulary, D) its word embeddings.
            batch: has what each patch shows.
            soft: (100, 100) soft coordinate labels.
        """
        place = _shown_patch(batch)
        kinds = _of_tokens(batch.kinds[..., None], place, batch)[..., 0]
        shown = kinds > 0
        if not shown.any():
            return tokens.sum() * 0
        colours = _of_tokens(batch.colours[..., None], place, batch)[..., 0]
        boxes = _of_tokens(batch.boxes, place, batch)[shown]
        seen = tokens[shown].float()
        kind = F.cross_entropy(self._likeness(seen, self.kinds @ table), kinds[shown] - 1)
        named = colours[shown] > 0
        colour = seen.sum() * 0
        if named.any():
            likeness = self._likeness(seen[named], self.colours @ table)
            colour = F.cross_entropy(likeness, colours[shown][named] - 1)
        corner = self._corners(self.corner_head(seen), boxes, table, soft)
        return kind + _COLOUR_WEIGHT * colour + _CORNER_WEIGHT * corner

    def places(self, seen: Tensor, table: Tensor, batch: ExampleBatch, soft: Tensor) -> Tensor:
        """Negative log-likelihood, in nats a corner, at where in the whole image the objects are.

        Args:
            seen: (I, N, D) image tokens inside the language tower.
            table: (vocabulary, D) its word embeddings.
            batch: has what each patch shows.
            soft: (100, 100) soft coordinate labels.
        """
        place = _shown_patch(batch)
        shown = _of_tokens(batch.kinds[..., None], place, batch)[..., 0] > 0
        if not shown.any():
            return seen.sum() * 0
        boxes = _of_tokens(batch.wholes, place, batch)[shown]
        return self._corners(self.place_head(seen[shown].float()), boxes, table, soft)

    def _corners(self, predicted: Tensor, boxes: Tensor, table: Tensor, soft: Tensor) -> Tensor:
        """Mean loss of (Q, 4 * D), in the basis of the tokens, at the corners (Q, 4)."""
        scores = predicted.view(len(predicted), 4, -1) @ table[self.pairs].T
        targets = soft[(boxes * 100).round().long().clamp(0, 99)]
        return -(targets * scores.float().log_softmax(-1)).sum(-1).mean()

    @staticmethod
    def _likeness(tokens: Tensor, words: Tensor) -> Tensor:
        return _SHARPNESS * F.normalize(tokens, dim=-1) @ F.normalize(words.float(), dim=-1).T


def _of_tokens(values: Tensor, place: Tensor, batch: ExampleBatch) -> Tensor:
    """(I, P, C) values of patches -> (I, N, C), one of the four patches of each token."""
    return _by_token(values, batch).gather(
        2, place[..., None, None].expand(*place.shape, 1, values.shape[-1])
    )[:, :, 0]


def _by_token(values: Tensor, batch: ExampleBatch) -> Tensor:
    """(I, P, C) -> (I, N, 4, C): the patches of each image token."""
    return values[:, torch.from_numpy(batch.grid.token_patches()).to(values.device)]


def _shown_patch(batch: ExampleBatch) -> Tensor:
    """(I, N) which of a token's patches shows something, the first if none does."""
    return (_by_token(batch.kinds[..., None], batch)[..., 0] > 0).int().argmax(-1)
