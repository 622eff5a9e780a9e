# SPDX-License-Identifier: Apache-2.0
"""Auxiliary loss that trains attention to the right place in image and prompt.

To generate a corner, a position in the answer has to know its object and attend to the image tokens
that show it. Those are two hops of attention, which a small model takes very long to learn. The
labels of the training data give the place, so half of the heads of one layer are trained to attend
to it. A later layer is trained to attend to the label's words in the prompt, so that the answer has
the label as requested, in any language.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lfmvl_warehouse.training.data.batches import ExampleBatch
from lfmvl_warehouse.training.data.patch_grid import Grid
from lfmvl_warehouse.training.model.shared_prefix import Attending
from lfmvl_warehouse.training.model.tokenizer import IMAGE_ID


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


def image_guidance(attending: Attending, batch: ExampleBatch) -> Tensor:
    """Return the loss that makes the first half of the heads attend to the object being written.

    A mean negative log-likelihood, in nats.

    Args:
        attending: attention weights of a block.
        batch: its ``subject`` and ``answered`` say which object each place is about.
    """
    row, place = (batch.subject >= 0).nonzero(as_tuple=True)
    if not len(row):
        return attending.queries.sum() * 0
    logs = attending.logs(row, place, slice(attending.heads // 2))
    boxes = batch.answered[row, batch.subject[row, place]]
    looked = logs[:, :, batch.ids[0] == IMAGE_ID]
    return _negative_log_likelihood(looked, image_tokens_of(boxes, batch.grid))


def word_guidance(attending: Attending, batch: ExampleBatch) -> Tensor:
    """Return the loss that makes the second half attend to the words that a label repeats.

    Arguments as of :func:`image_guidance`; the batch's ``source`` says where those words are.
    """
    row, place = (batch.source[..., 1] > 0).nonzero(as_tuple=True)
    if not len(row):
        return attending.queries.sum() * 0
    logs = attending.logs(row, place, slice(attending.heads // 2, None))
    start, stop = batch.source[row, place].unbind(-1)
    places = torch.arange(logs.shape[-1], device=row.device)
    return _negative_log_likelihood(logs, (places >= start[:, None]) & (places < stop[:, None]))


def _negative_log_likelihood(logs: Tensor, targets: Tensor) -> Tensor:
    """Mean over (Q, heads, N) log-probabilities, in nats, of attending where (Q, N) is True."""
    return -logs.masked_fill(~targets[:, None], -torch.inf).logsumexp(-1).mean()
