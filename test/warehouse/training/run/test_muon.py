# SPDX-License-Identifier: Apache-2.0
"""Muon in float32 moves weights as torch's does in bfloat16."""

import pytest
import torch

from lfmvl_ros.models.lfm2_vl import bfloat16
from lfmvl_warehouse.training.run.muon import FloatMuon, muon_for, orthogonal


@pytest.fixture
def pair():
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(0.1 * torch.randn(s)) for s in ((96, 256), (256, 96), (64, 64))]
    return ours, [torch.nn.Parameter(weight.detach().clone()) for weight in ours]


def test_it_does_what_torch_does(pair):
    ours, theirs = pair
    settings = {"lr": 0.01, "weight_decay": 0.01, "momentum": 0.95}
    optimisers = FloatMuon(ours, **settings), torch.optim.Muon(theirs, **settings)
    before = [weight.detach().clone() for weight in ours]
    for _ in range(5):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other, was in zip(ours, theirs, before, strict=True):
        moved = (one - was).norm()
        assert (one - other).norm() < 0.02 * moved
    optimisers[0].load_state_dict(optimisers[1].state_dict())  # runs go on where the other is used


def test_weights_without_a_gradient_stay(pair):
    ours, theirs = pair
    FloatMuon(ours, lr=0.01).step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    with pytest.raises(ValueError, match="closure"):
        FloatMuon(ours).step(lambda: 0.0)


def test_singular_values_become_alike():
    torch.manual_seed(1)
    for shape in ((40, 90), (90, 40)):
        matrix = orthogonal(torch.randn(shape), (3.4445, -4.7750, 2.0315), 5, 1e-7)
        values = torch.linalg.svdvals(matrix)
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


@pytest.mark.parametrize(("fast", "kind"), [(True, torch.optim.Muon), (False, FloatMuon)])
def test_torch_is_used_where_bfloat16_is_quick(pair, monkeypatch, fast, kind):
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda: fast)
    assert type(muon_for(pair[0], 0.01)) is kind
