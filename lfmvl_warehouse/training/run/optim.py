# SPDX-License-Identifier: Apache-2.0
"""Optimisers, their schedule, the moving average, and the start of the coordinate embeddings.

Muon (orthogonalised momentum) moves the hidden matrices, AdamW everything else: without Muon the
same training learns several times slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lfmvl_ros.finetune.saved import load_optimiser
from lfmvl_warehouse.training.model.words import widen_moments
from lfmvl_warehouse.training.run.muon import muon_for

_WARM_UP_STEPS = 200
_WARM_UP_SHARE = 0.05  # in a short run the warm-up is over after this share of it
_FINAL_SHARE = 0.02


def split_parameters(
    network: nn.Module,
) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """By name: (hidden matrices for Muon, everything else for AdamW)."""
    hidden: dict[str, nn.Parameter] = {}
    rest: dict[str, nn.Parameter] = {}
    for name, parameter in network.named_parameters():
        outer = any(part in name for part in ("embed_tokens", "position", "_head", "lm_head"))
        (hidden if parameter.ndim == 2 and not outer else rest)[name] = parameter
    return hidden, rest


class Optimisers:
    """Muon and AdamW under one cosine schedule with warm-up."""

    def __init__(
        self, network: nn.Module, *, muon_rate: float = 0.01, adam_rate: float = 1.5e-3
    ) -> None:
        hidden, rest = split_parameters(network)
        self.names = {"muon": tuple(hidden), "adam": tuple(rest)}
        """The parameters that each of them moves, in its order."""
        self._rates = (muon_rate, adam_rate)
        self.muon = muon_for(hidden.values(), muon_rate)
        self.adam = torch.optim.AdamW(
            rest.values(), lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.01
        )

    def step(self, step: int, progress: float) -> None:
        """Update the weights.

        Args:
            step: number of updates done before, for the warm-up.
            progress: share of the training that is over, 0 to 1.
        """
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        factor = min(1.0, max((step + 1) / _WARM_UP_STEPS, progress / _WARM_UP_SHARE))
        factor *= _FINAL_SHARE + (1 - _FINAL_SHARE) * cosine
        for optimiser, rate in zip((self.muon, self.adam), self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()

    def state_dict(self) -> dict[str, object]:
        """Everything a resumed run needs."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, dict[str, Any]]) -> None:
        """Continue from :meth:`state_dict`; rows that embeddings got since then begin at rest."""
        widen_moments(state["muon"], self.muon)
        widen_moments(state["adam"], self.adam)
        load_optimiser(self.muon, state["muon"])
        load_optimiser(self.adam, state["adam"])


@torch.no_grad()
def follow(
    average: Iterable[nn.Parameter], current: Iterable[nn.Parameter], *, step: int, decay: float
) -> None:
    """Move the exponential moving average towards the weights; early steps count more."""
    decay = min(decay, (1 + step) / (10 + step))
    followers: list[Tensor] = list(average)
    torch._foreach_mul_(followers, decay)
    torch._foreach_add_(followers, list[Tensor](current), alpha=1 - decay)


@torch.no_grad()
def start_coordinates(table: nn.Embedding, pair_ids: list[int], *, seed: int = 1) -> None:
    """Give ``00`` to ``99`` Fourier features of their value, so that neighbours are alike.

    The table is shared with the output head: similar values start with similar scores.
    """
    width = table.embedding_dim
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.randn(1, width // 2, generator=generator) * 4.0
    values = torch.linspace(0, 1, len(pair_ids))[:, None]
    angles = math.pi * values * frequencies
    features = torch.cat([angles.cos(), angles.sin()], 1) * math.sqrt(2) * 0.05
    table.weight[pair_ids] = features


@torch.no_grad()
def start_thousandths(table: nn.Embedding, coordinate_ids: list[int], *, seed: int = 3) -> None:
    """Start ``000`` to ``999`` between the ``00`` to ``99`` around them, all a common step apart.

    On a smooth curve (Catmull-Rom), so that a value between two pairs can score higher than both.

    Args:
        table: embeddings, shared with the output head.
        coordinate_ids: the hundred pairs, then the thousand triples.
        seed: of the common step.
    """
    pairs = table.weight[coordinate_ids[:100]]
    middle = pairs.mean(0)
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(pairs.shape[1], generator=generator).to(pairs) * pairs.std()
    knots = torch.cat([2 * pairs[:1] - pairs[1:2], pairs, 2 * pairs[-1:] - pairs[-2:-1]])
    knots = torch.cat([knots, 2 * knots[-1:] - knots[-2:-1]]) - middle
    values = torch.arange(1000, device=pairs.device)
    place, part = values // 10, (values % 10)[:, None] / 10
    before, low, high, after = (knots[place + offset] for offset in range(4))
    curve = low + 0.5 * part * (
        high
        - before
        + part
        * (2 * before - 5 * low + 4 * high - after + part * (3 * (low - high) + after - before))
    )
    table.weight[coordinate_ids[100:]] = curve + step


@torch.no_grad()
def start_positions(table: nn.Embedding, *, scale: float = 0.3) -> None:
    """Start the position embeddings of the vision tower as sines of row and column.

    Args:
        table: of side * side rows, row by row.
        scale: their root mean square.
    """
    side, width = math.isqrt(table.num_embeddings), table.embedding_dim
    octaves = torch.linspace(math.log(0.5), math.log(8), width // 4).exp()
    angles = math.pi * torch.arange(side)[:, None] / side * octaves
    line = torch.cat([angles.sin(), angles.cos()], 1)
    half = line.shape[1]
    rows = line[:, None].expand(side, side, half)
    columns = line[None].expand(side, side, half)
    waves = torch.cat([rows, columns], 2).reshape(side * side, 2 * half)
    table.weight.zero_()
    table.weight[:, : 2 * half] = waves * math.sqrt(2) * scale
