# SPDX-License-Identifier: Apache-2.0
"""Give a vision tower that has learned a while more blocks, which change nothing at first.

A new block is a copy of the one before it whose last matrices are zero, so that it adds nothing to
what passes through; training then finds out what it is good for (Net2Net's idea, Chen et al. 2015,
https://arxiv.org/abs/1511.05641). What is learned is kept, and the optimisers' moments with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from lfmvl_warehouse.training.model.build import ModelShape

_BLOCK = re.compile(r"(.*vision_tower\.encoder\.layers\.)(\d+)(\..*)")
_LAST = ("self_attn.out_proj.", "mlp.fc2.")


def can_grow(before: Mapping[str, Any], shape: ModelShape) -> bool:
    """Whether a model of the shape ``before`` becomes one of ``shape`` by vision blocks alone."""
    after = asdict(shape)
    deeper = before["vision_layers"] < after["vision_layers"]
    return deeper and {**before, "vision_layers": after["vision_layers"]} == after


def sources(old: int, new: int) -> list[tuple[int, bool]]:
    """For each of ``new`` blocks the one of ``old`` it comes from, and whether it is a copy.

    >>> sources(4, 6)
    [(0, False), (0, True), (1, False), (2, False), (2, True), (3, False)]
    """
    places = [place * old // new for place in range(new)]
    return [(block, block in places[:i]) for i, block in enumerate(places)]


def deepened(weights: Mapping[str, Tensor], old: int, new: int) -> dict[str, Tensor]:
    """A state dictionary with ``new`` vision blocks out of one with ``old``."""
    grown: dict[str, Tensor] = {}
    for name, value in weights.items():
        block = _BLOCK.fullmatch(name)
        if block is None:
            grown[name] = value
            continue
        before, number, part = block.groups()
        for place, (source, copy) in enumerate(sources(old, new)):
            if source == int(number):
                silent = copy and part[1:].startswith(_LAST)
                grown[f"{before}{place}{part}"] = torch.zeros_like(value) if silent else value
    return grown


def deepened_moments(
    state: Mapping[str, Any], names: Sequence[str], old: int, new: int
) -> dict[str, Any]:
    """An optimiser's state for the deeper model: moments keep to their weights, copies have none.

    Args:
        state: of :meth:`torch.optim.Optimizer.state_dict`, with one group of parameters.
        names: of the deeper model's parameters, in the optimiser's order.
        old: number of vision blocks the state was saved with.
        new: number that the deeper model has.
    """
    origin = sources(old, new)
    blocks = (_BLOCK.fullmatch(name) for name in names)
    kept = [place for place, b in enumerate(blocks) if b is None or not origin[int(b[2])][1]]
    (group,) = state["param_groups"]
    moments = {
        place: state["state"][number]
        for place, number in zip(kept, group["params"], strict=True)
        if number in state["state"]
    }
    return {"state": moments, "param_groups": [{**group, "params": list(range(len(names)))}]}


def grow(state: dict[str, Any], layers: int, names: Mapping[str, Sequence[str]]) -> bool:
    """Give a saved state this many vision blocks, in place; say whether it had fewer.

    Args:
        state: of a run.
        layers: vision blocks of the run that continues from it.
        names: the parameters of each of its optimisers, in its order.
    """
    old = state["shape"]["vision_layers"]
    if old == layers:
        return False
    for part in ("network", "average"):
        state[part] = deepened(state[part], old, layers)
    for part, parameters in names.items():
        moments = state["optimisers"][part]
        state["optimisers"][part] = deepened_moments(moments, parameters, old, layers)
    return True
