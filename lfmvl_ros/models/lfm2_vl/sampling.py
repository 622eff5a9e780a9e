# SPDX-License-Identifier: Apache-2.0
"""Which token comes next: the likeliest, or a sampled one, as in transformers' ``generate``.

A draft proposes tokens, and one forward pass gives the logits after each of them. Tokens are chosen
from the first position on, and the next position is used only if the chosen token equals the
proposed one. So the result is the same as when tokens are chosen one by one. With sampling, the
same random numbers are drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from lfmvl_ros.core.config import GenerationSettings


class Sampler(Protocol):
    """Chooses the tokens of one answer."""

    def choose(self, logits: torch.Tensor, proposed: Sequence[int]) -> list[int]:
        """Return the next tokens of the answer, at least one.

        Args:
            logits: ``(len(proposed) + 1, vocabulary)`` float32; row i belongs to the token after
                ``proposed[:i]``. Not changed.
            proposed: tokens that may come next.
        """


def sampler_for(settings: GenerationSettings, prompt_ids: torch.Tensor, width: int) -> Sampler:
    """Return the sampler for these settings.

    Args:
        settings: temperature 0 is greedy.
        prompt_ids: ``(T,)``; the repetition penalty counts them too.
        width: size of the vocabulary, as of the logits.
    """
    penalty = None
    if settings.repetition_penalty != 1:
        penalty = Penalty.of(settings.repetition_penalty, prompt_ids, width)
    if settings.temperature > 0:
        return Sampled(
            settings.temperature, settings.min_p, penalty, settings.top_k, settings.top_p
        )
    return Greedy(penalty)


@dataclass
class Penalty:
    """Makes tokens that have occurred less likely (Keskar et al., 2019, arXiv:1909.05858).

    Attributes:
        factor: logits are divided by it, negative ones multiplied.
        occurred: ``(vocabulary,)`` bool, in prompt or answer.
    """

    factor: float
    occurred: torch.Tensor

    @classmethod
    def of(cls, factor: float, prompt_ids: torch.Tensor, width: int) -> Penalty:
        """Start with the tokens of the prompt."""
        occurred = torch.zeros(width, dtype=torch.bool, device=prompt_ids.device)
        occurred[prompt_ids] = True
        return cls(factor, occurred)

    def __call__(self, logits: torch.Tensor, proposed: Sequence[int]) -> torch.Tensor:
        """Return penalised logits; in row i, ``proposed[:i]`` have occurred too."""
        seen = self.occurred.expand(len(logits), -1).clone()
        for row, token in enumerate(proposed, start=1):
            seen[row:, token] = True
        lower = torch.where(logits < 0, logits * self.factor, logits / self.factor)
        return torch.where(seen, lower, logits)

    def add(self, chosen: Sequence[int]) -> None:
        """Add the tokens that the answer contains now."""
        self.occurred[list(chosen)] = True


@dataclass
class Greedy:
    """The likeliest token; the first of equals."""

    penalty: Penalty | None = None

    def choose(self, logits: torch.Tensor, proposed: Sequence[int]) -> list[int]:
        """Choose; see :class:`Sampler`."""
        scores = logits if self.penalty is None else self.penalty(logits, proposed)
        likeliest = scores.argmax(dim=-1).tolist()
        count = 0
        while count < len(proposed) and likeliest[count] == proposed[count]:
            count += 1
        chosen = [int(token) for token in likeliest[: count + 1]]
        if self.penalty is not None:
            self.penalty.add(chosen)
        return chosen


@dataclass
class Sampled:
    """Sampling with a temperature among tokens not much less likely than the likeliest.

    Attributes:
        temperature: > 0.
        min_p: tokens less likely than this fraction of the likeliest are excluded (Nguyen et al.,
            2024, arXiv:2407.01082).
        top_k: only this many of the likeliest tokens are used, and equals of the last; 0 uses all.
        top_p: only the likeliest tokens with this probability together are used (Holtzman et al.,
            2020, arXiv:1904.09751); 1 uses all.
    """

    temperature: float
    min_p: float
    penalty: Penalty | None = None
    top_k: int = 0
    top_p: float = 1.0

    def choose(self, logits: torch.Tensor, proposed: Sequence[int]) -> list[int]:
        """Choose; see :class:`Sampler`. Uses torch's global random numbers, one draw per token."""
        scores = logits if self.penalty is None else self.penalty(logits, proposed)
        scores = self._kept(scores / self.temperature)
        chances = scores.softmax(dim=-1)
        unlikely = chances < self.min_p * chances.amax(dim=-1, keepdim=True)
        chances = scores.masked_fill(unlikely, -torch.inf).softmax(dim=-1)
        chosen: list[int] = []
        for row in range(len(chances)):
            chosen.append(int(torch.multinomial(chances[row : row + 1], 1)))
            if row == len(proposed) or chosen[-1] != proposed[row]:
                break
        if self.penalty is not None:
            self.penalty.add(chosen)
        return chosen

    def _kept(self, scores: torch.Tensor) -> torch.Tensor:
        """Return scores ``(rows, vocabulary)`` with what top-k and then top-p drop at -inf."""
        if self.top_k:
            least = scores.topk(min(self.top_k, scores.shape[-1]))[0][:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
        if self.top_p < 1:
            rising, order = scores.sort(descending=False)
            dropped = rising.softmax(dim=-1).cumsum(dim=-1) <= 1 - self.top_p
            dropped[:, -1:] = False
            scores = scores.masked_fill(dropped.scatter(1, order, dropped), -torch.inf)
        return scores
