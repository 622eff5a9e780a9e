# SPDX-License-Identifier: Apache-2.0
"""What a damaged state holds is refused when it is read, not at the next update."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.run_folder import using_state
from lfmvl_ros.finetune.saved import check_tensors, load_optimiser
from lfmvl_ros.finetune.trainer import RunProgress

MAKERS: tuple[Callable[[Any], torch.optim.Optimizer], ...] = (
    lambda weights: torch.optim.AdamW(weights, lr=0.1, betas=(0.9, 0.95)),
    lambda weights: torch.optim.Muon(weights, lr=0.1),
)


def optimiser(make: Callable[[Any], torch.optim.Optimizer]) -> torch.optim.Optimizer:
    weights = [nn.Parameter(torch.ones(2, 3)) for _ in range(2)]
    made = make(weights)
    for weight in weights:
        weight.grad = torch.ones(2, 3)
    made.step()
    return made


def one(state: Any) -> Any:
    return state["state"][1]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("damage", [
    lambda s: one(s).__setitem__(next(reversed(one(s))), "x"),
    lambda s: one(s).__setitem__(next(reversed(one(s))), torch.ones(5)),
    lambda s: one(s).popitem(), lambda s: one(s).clear(), lambda s: s["state"].__setitem__(1, 5),
    lambda s: s["state"].__setitem__(9, one(s)), lambda s: s.__setitem__("param_groups", []),
    lambda s: s["param_groups"][0].__setitem__("lr", "x"),
    lambda s: s["param_groups"][0].__setitem__("lr", float("nan")),
    lambda s: s["param_groups"][0].__setitem__("weight_decay", None),
    lambda s: s["param_groups"][0].__setitem__("params", [0]),
    lambda s: s["param_groups"].append(None),
])  # fmt: skip
def test_an_optimiser_whose_state_does_not_fit(
    tmp_path: Any, make: Any, damage: Callable[[Any], object]
) -> None:
    state = copy.deepcopy(optimiser(make).state_dict())
    damage(state)
    with pytest.raises(UserError, match="is damaged"), using_state(tmp_path):
        load_optimiser(optimiser(make), state)


@pytest.mark.parametrize("make", MAKERS)
def test_an_optimiser_goes_on_and_one_of_an_older_pytorch_too(make: Any) -> None:
    first, second = optimiser(make), optimiser(make)
    state = copy.deepcopy(first.state_dict())
    del state["param_groups"][0]["weight_decay"]
    load_optimiser(second, state)
    first.step()
    for group in second.param_groups:
        for weight in group["params"]:
            weight.grad = torch.ones(2, 3)
    second.step()
    pairs = zip(first.param_groups[0]["params"], second.param_groups[0]["params"], strict=True)
    assert all(torch.allclose(left, right) for left, right in pairs)


@pytest.mark.parametrize("saved", [None, {}, {"a": 5}, {"a": torch.ones(3)}, {"b": torch.ones(2)}])
def test_tensors_of_other_names_or_shapes(saved: object) -> None:
    check_tensors("best", {"a": torch.zeros(2)}, {"a": torch.ones(2)})
    with pytest.raises(ValueError, match="best has"):
        check_tensors("best", saved, {"a": torch.ones(2)})


@pytest.mark.parametrize("change", [
    {"step": -1}, {"step": "x"}, {"step": 10**400}, {"total": 3}, {"seconds": float("nan")},
    {"judge_s": -1.0}, {"first": None}, {"best": float("inf")}, {"stopped": "x"}, {"waited": 0.5},
    {"seconds": 10**400},
])  # fmt: skip
def test_progress_that_no_run_has(change: dict[str, Any]) -> None:
    RunProgress(step=1, total=2).check(2)
    RunProgress(step=1, total=9).check(0)
    with pytest.raises((ValueError, OverflowError)):
        RunProgress(**{"step": 1, "total": 2, **change}).check(2)
