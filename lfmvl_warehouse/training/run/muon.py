# SPDX-License-Identifier: Apache-2.0
"""Muon for CPUs that have no bfloat16 products."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from lfmvl_ros.models.lfm2_vl.bfloat16 import is_quick_in_bfloat16

_MOMENTUM, _WEIGHT_DECAY = 0.95, 0.01


class FloatMuon(torch.optim.Muon):
    """As ``torch.optim.Muon``, in float32 throughout.

    torch's own orthogonalises in bfloat16, with products that a CPU without them computes one
    element at a time: an update of the sentence model took 5 s instead of 2.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights; ``closure`` must be None."""
        if closure is not None:
            raise ValueError("a closure is not supported")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(buffer, group["momentum"])
        update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = weight.shape
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))


def orthogonal(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, least: float
) -> Tensor:
    """Return a matrix with nearly equal singular values and the same directions.

    A quintic Newton-Schulz iteration, of Jordan et al., "Muon: an optimizer for hidden layers in
    neural networks", 2024.

    Args:
        matrix: ``(rows, columns)`` float32.
        coefficients: of the first, third and fifth power.
        steps: of the iteration.
        least: norm of the matrix, if its own is smaller.
    """
    first, third, fifth = coefficients
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=least)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = first * wide + (third * gram + fifth * gram @ gram) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def muon_for(parameters: Iterable[torch.nn.Parameter], rate: float) -> torch.optim.Muon:
    """Return the variant of Muon that is quick where these parameters are.

    Args:
        parameters: matrices.
        rate: learning rate.
    """
    matrices = list(parameters)
    quick = all(is_quick_in_bfloat16(matrix.device) for matrix in matrices)
    kind = torch.optim.Muon if quick else FloatMuon
    return kind(matrices, lr=rate, weight_decay=_WEIGHT_DECAY, momentum=_MOMENTUM)
