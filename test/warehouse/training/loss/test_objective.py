# SPDX-License-Identifier: Apache-2.0
"""Soft coordinates: neighbours share the label, and three decimals begin between two."""

import torch
from torch import nn

from lfmvl_warehouse.training.loss.objective import SoftCoordinates, soft_labels
from lfmvl_warehouse.training.run.optim import start_coordinates, start_thousandths

IDS = list(range(1100))


def table():
    torch.manual_seed(0)
    embeddings = nn.Embedding(1100, 64)
    start_coordinates(embeddings, IDS[:100])
    start_thousandths(embeddings, IDS)
    return embeddings.weight.detach()


def test_labels_are_as_wide_in_the_image_with_two_and_three_decimals():
    two, three = soft_labels(1.0), soft_labels(1.0, 1000)
    assert torch.allclose(two.sum(1), torch.ones(100))
    assert torch.allclose(three.sum(1), torch.ones(1000))
    values = torch.arange(1000) / 10
    spread = (three[500] * (values - 50) ** 2).sum().sqrt()
    assert abs(float(spread) - 1.0) < 0.01
    assert two[50].argmax() == 50


def test_each_coordinate_is_judged_by_its_own_tokens():
    soft = SoftCoordinates.of_width(torch.tensor(IDS), 0.05)  # next to nothing for neighbours
    logs = torch.full((2, 1100), -9.0)
    logs[0, 37] = logs[1, 100 + 374] = 0.0
    assert float(soft.loss(logs, torch.tensor([37, 100 + 374]))) < 2.5
    assert float(soft.loss(logs, torch.tensor([38, 100 + 376]))) > 15
    assert float(soft.loss(logs[:0], torch.tensor([], dtype=torch.long))) == 0.0


def test_three_decimals_start_between_the_two_around_them():
    weights = table()
    pairs, triples = weights[:100], weights[100:]
    step = triples[370] - (pairs[37] - pairs.mean(0))
    for value in (0, 50, 370, 990):
        near = pairs[value // 10] - pairs.mean(0) + step
        assert torch.allclose(triples[value], near, atol=1e-5)  # x.370 stands where x.37 does
    seeks = pairs[37] + pairs[38]  # as sure of one as of the other
    best = int((triples @ seeks).argmax())
    assert 371 <= best <= 379
