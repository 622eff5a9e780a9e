# SPDX-License-Identifier: Apache-2.0
"""Writing an answer with several tokens to a forward pass, token for token the same answer.

A draft proposes what may come next, one forward gives the logits behind every proposed token, and
the answer goes on as far as the proposals are what would have been chosen anyway (Leviathan et
al., 2023, arXiv:2211.17192, with a draft that costs nothing). The rest is forgotten by lowering
the runner's length. The first proposal rides along with the prompt.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F

from lfmvl_ros.models.choosing import Chooser
from lfmvl_ros.models.draft_tokens import BlockSize
from lfmvl_ros.models.ending import AnswerEnd
from lfmvl_ros.models.inputs import ModelInputs
from lfmvl_ros.models.runner import Lfm2Runner
from lfmvl_ros.models.writing import Limit, Written, cut_answer


class Proposer(Protocol):
    """Anything that guesses how an answer goes on; right or wrong, it can't change the answer."""

    def propose(self, ids: Sequence[int], most: int) -> list[int]:
        """Return up to ``most`` tokens that may follow ``ids``, all within the vocabulary."""


class NoDraft:
    """Proposes nothing: one token to a forward."""

    def propose(self, ids: Sequence[int], most: int) -> list[int]:  # noqa: ARG002
        """Return nothing."""
        return []


@dataclass
class Blocks:
    """How much to propose: with the prompt, and afterwards. Learned over answers."""

    first: BlockSize
    later: BlockSize

    @classmethod
    def for_device(cls, kind: str) -> Blocks:
        """Return sizes that pay on a ``cpu`` or on ``cuda``, before anything is learned.

        A GPU is bound by reading the weights, so that up to 64 tokens cost little more than one.
        """
        if kind == "cuda":
            return cls(BlockSize(32, 512), BlockSize(32, 128))
        return cls(BlockSize(8, 256), BlockSize(8, 64))


@torch.inference_mode()
def write_answer(
    runner: Lfm2Runner,
    inputs: ModelInputs,
    *,
    proposer: Proposer,
    chooser: Chooser,
    blocks: Blocks,
    end: AnswerEnd,
    limit: Limit,
) -> Written:
    """Write the answer to a batch of one.

    ``limit`` is asked after each forward; what that forward has confirmed is kept.
    """
    start = time.monotonic()
    runner.length = 0
    ids: list[int] = []
    marks: list[torch.Tensor] = []
    embeds = inputs.embeds[0]
    proposed = proposer.propose(ids, min(blocks.first.now, end.most - 1))
    if proposed:
        table = runner.embedding
        guess = F.embedding(torch.tensor(proposed, device=table.device), table)
        embeds = torch.cat([embeds, guess.to(embeds.dtype)])
    logits = runner.append(embeds=embeds, last=len(proposed) + 1)
    size, forwards, first_s = blocks.first, 1, 0.0
    while True:
        chosen = chooser.choose(logits, proposed)
        marks.append(_logprobs(logits, chosen))
        ids += chosen
        first_s = first_s or time.monotonic()
        size.learn(len(proposed), len(chosen) - 1)
        runner.length -= len(proposed) - (len(chosen) - 1)
        stopped = limit.reached()
        if end.add(chosen) or stopped:
            break
        size = blocks.later
        proposed = proposer.propose(ids, min(size.now, end.most - len(ids) - 1))
        block = torch.tensor([ids[-1], *proposed], device=logits.device)
        logits = runner.append(block)
        forwards += 1
    logprobs = torch.cat(marks).tolist()
    return cut_answer(end, ids, logprobs, first_s - start, time.monotonic() - first_s, forwards)


def _logprobs(logits: torch.Tensor, chosen: Sequence[int]) -> torch.Tensor:
    """Natural log-probabilities of the chosen tokens, ``(len(chosen),)``, still on the device."""
    rows = logits[: len(chosen)]
    picked = rows.gather(1, torch.tensor(chosen, device=rows.device)[:, None])[:, 0]
    return picked - rows.logsumexp(dim=-1)
