# SPDX-License-Identifier: Apache-2.0
"""Whether what a state holds can be used: the same for `lfmvl train` and `lfmvl finetune`.

PyTorch loads an optimiser's state without a look at its values, and fails at the next update.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lfmvl_ros.core.numbers import is_number

MOST_STEPS = 2**53
"""Larger numbers are not counts of updates."""
_MOMENTS = {"AdamW": {"step", "exp_avg", "exp_avg_sq"}, "Muon": {"momentum_buffer"}}


def check_count(name: str, value: object) -> None:
    """Raise ValueError where a value is not a count of something, such as updates."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_STEPS:
        raise ValueError(f"{name} is not a count")


def check_seconds(name: str, value: object) -> None:
    """Raise ValueError where a value is not a time in seconds."""
    if not is_number(value) or value < 0:
        raise ValueError(f"{name} is not a time in seconds")


def check_tensors(name: str, saved: object, wanted: Mapping[str, Tensor]) -> None:
    """Raise ValueError where these are not tensors of the same names and shapes."""
    if not isinstance(saved, dict) or set(saved) != set(wanted):
        raise ValueError(f"{name} has other names")
    for key, tensor in wanted.items():
        if not isinstance(saved[key], Tensor) or saved[key].shape != tensor.shape:
            raise ValueError(f"{name} has a tensor of another shape")


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Put back what ``optimiser.state_dict()`` returned.

    Raises:
        ValueError, TypeError, LookupError, AttributeError, RuntimeError: it is not of an optimiser
            like this one.
    """
    whole = optimiser.state_dict()["param_groups"]
    for saved, own in zip(state["param_groups"], whole, strict=True):
        if not all(_alike(saved[key], own[key]) for key in own if key in saved):
            raise ValueError("the optimiser has other settings")
    optimiser.load_state_dict(dict(state))
    for group, own in zip(optimiser.param_groups, whole, strict=True):
        for key in set(own) - set(group):  # a state of an older PyTorch has fewer
            group[key] = own[key]
    kinds = {kind.__name__ for kind in type(optimiser).__mro__}
    names = next(moments for kind, moments in _MOMENTS.items() if kind in kinds)
    known = {id(each) for group in optimiser.param_groups for each in group["params"]}
    for parameter, values in optimiser.state.items():
        if id(parameter) not in known or set(values) != names:
            raise ValueError("the optimiser has other moments")
        for value in values.values():
            if not isinstance(value, Tensor) or value.shape not in (parameter.shape, ()):
                raise ValueError("the optimiser has moments of another shape")


def _alike(saved: object, own: object) -> bool:
    """Return whether two values are of one kind, and sequences also of one length."""
    if isinstance(own, (list, tuple)):
        same = isinstance(saved, (list, tuple)) and len(saved) == len(own)
        return same and all(map(_alike, saved, own))  # type: ignore[call-overload]
    if is_number(own):
        return is_number(saved)
    if own is None or isinstance(own, bool):  # what PyTorch chooses where it is None
        return saved is None or isinstance(saved, bool)
    return type(saved) is type(own)
