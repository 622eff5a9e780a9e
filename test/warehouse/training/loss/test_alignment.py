# SPDX-License-Identifier: Apache-2.0
"""The alignment loss: image tokens that look like their object's words cost less."""

from types import SimpleNamespace

import torch
from torch.nn import functional as F

from lfmvl_warehouse.training.data.patch_grid import Grid
from lfmvl_warehouse.training.loss.alignment import Alignment, word_table
from lfmvl_warehouse.training.loss.objective import soft_labels

WIDTH, SIZE = 16, 600


def test_a_name_is_the_mean_of_its_tokens(tokenizer):
    table = word_table(tokenizer, ["tote", "red tote"], len(tokenizer))
    assert torch.allclose(table.sum(1), torch.ones(2))
    word = tokenizer.convert_tokens_to_ids("tote")
    assert table[0, word] > 0


def batch(kind):
    """One image of 4x2 patches, two image tokens; the last patch of the first shows something."""
    kinds = torch.zeros(1, 8, dtype=torch.long)
    kinds[0, 5] = kind
    boxes = torch.zeros(1, 8, 4)
    boxes[0, 5] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return SimpleNamespace(grid=Grid(4, 2), kinds=kinds, colours=kinds, boxes=boxes, wholes=boxes)


def test_looking_like_the_right_word_costs_less():
    torch.manual_seed(0)
    words = torch.eye(3, SIZE)
    alignment = Alignment(words, words, list(range(100, 200)), WIDTH)
    table, soft = torch.randn(SIZE, WIDTH), soft_labels(1.0)
    tokens = torch.randn(1, 2, WIDTH)
    costs = []
    for word in range(3):
        tokens[0, 0] = F.normalize(table[word], dim=0)
        costs.append(float(alignment(tokens, table, batch(2), soft).detach()))
    assert min(costs) == costs[1]
    tokens[0, 1] += 1  # a token that shows nothing doesn't matter
    assert float(alignment(tokens, table, batch(2), soft).detach()) == costs[2]


def test_an_empty_image_costs_nothing():
    alignment = Alignment(torch.eye(3, SIZE), torch.eye(3, SIZE), list(range(100)), WIDTH)
    loss = alignment(torch.randn(1, 2, WIDTH), torch.randn(SIZE, WIDTH), batch(0), soft_labels(1.0))
    assert float(loss.detach()) == 0


def test_places_are_learnt_in_the_whole_image():
    torch.manual_seed(0)
    alignment = Alignment(torch.eye(3, SIZE), torch.eye(3, SIZE), list(range(100, 200)), WIDTH)
    table, soft, shows = torch.randn(SIZE, WIDTH), soft_labels(0.1), batch(1)
    shows.wholes = 0.5 + shows.boxes / 2  # as in the last of two by two tiles
    seen = torch.randn(1, 2, WIDTH)
    optimiser = torch.optim.Adam(alignment.place_head.parameters(), lr=0.01)
    for _ in range(60):
        loss = alignment.places(seen, table, shows, soft)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    said = alignment.place_head(seen[0, 0]).view(4, -1) @ table[100:200].T
    assert said.argmax(-1).tolist() == [55, 60, 65, 70]
    assert float(alignment.places(seen, table, batch(0), soft).detach()) == 0
