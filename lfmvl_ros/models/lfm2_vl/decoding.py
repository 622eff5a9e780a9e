# SPDX-License-Identifier: Apache-2.0
"""Writing an answer with several tokens to a forward pass, token for token the same answer.

A draft proposes what may come next, one forward gives the logits behind every proposed token, and
the answer goes on as far as the proposals are what would have been chosen anyway (Leviathan et
al., 2023, arXiv:2211.17192, with a draft that costs nothing). The rest is forgotten by lowering
the row's length. The first proposal rides along with the prompt. Several answers are written side
by side, each with its own draft, length and end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F

from lfmvl_ros.models.lfm2_vl.choosing import Chooser
from lfmvl_ros.models.lfm2_vl.draft_tokens import BlockSize
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs
from lfmvl_ros.models.lfm2_vl.row_memory import RowMemory
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.writing import Limit, Written, cut_answer


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


@dataclass
class Row:
    """One answer of a batch while it is written.

    Attributes:
        proposer, chooser, end: what makes it, and what ends it.
        ids: tokens so far; proposed: the guesses of the present forward.
        forwards: how many this row took part in.
    """

    proposer: Proposer
    chooser: Chooser
    end: AnswerEnd
    ids: list[int] = field(default_factory=list)
    proposed: list[int] = field(default_factory=list)
    marks: list[torch.Tensor] = field(default_factory=list)
    forwards: int = 0

    def propose(self, size: BlockSize) -> None:
        """Guess what comes next, within the block size and the longest answer."""
        room = self.end.most - len(self.ids) - 1
        self.proposed = self.proposer.propose(self.ids, min(size.now, room))

    def take(self, logits: torch.Tensor, size: BlockSize, memory: RowMemory) -> None:
        """Choose tokens after a forward, and forget the guesses that were wrong."""
        chosen = self.chooser.choose(logits, self.proposed)
        self.marks.append(_logprobs(logits, chosen))
        self.ids += chosen
        self.forwards += 1
        accepted = len(chosen) - 1
        size.learn(len(self.proposed), accepted)
        memory.length -= len(self.proposed) - accepted
        self.end.add(chosen)


@torch.inference_mode()
def write_answers(
    runner: Lfm2Runner, inputs: ModelInputs, rows: Sequence[Row], *, blocks: Blocks, limit: Limit
) -> list[Written]:
    """Write one answer for each row of the batch, all rows in each forward until they are over.

    ``limit`` is asked after each forward; what that forward has confirmed is kept.
    """
    start = time.monotonic()
    memories = runner.rows(len(rows))
    size, first_s, active = blocks.first, 0.0, list(range(len(rows)))
    while True:
        for index in active:
            rows[index].propose(size)
        if size is blocks.first:
            logits = _read_prompts(runner, inputs, rows, memories)
        else:
            ids = [token for i in active for token in (rows[i].ids[-1], *rows[i].proposed)]
            counts = [len(rows[i].proposed) + 1 for i in active]
            tokens = torch.tensor(ids, device=runner.embedding.device)
            logits = runner.append_rows([memories[i] for i in active], counts, tokens)
        place = 0
        for index in active:
            row, count = rows[index], len(rows[index].proposed) + 1
            row.take(logits[place : place + count], size, memories[index])
            place += count
        first_s = first_s or time.monotonic()
        stopped = limit.reached()
        active = [index for index in active if rows[index].end.finish is None]
        if stopped or not active:
            break
        size = blocks.later
    logprobs = [torch.cat(row.marks).tolist() for row in rows]
    spent = (first_s - start, time.monotonic() - first_s)
    return [
        cut_answer(row.end, row.ids, marks, *spent, row.forwards)
        for row, marks in zip(rows, logprobs, strict=True)
    ]


def _read_prompts(
    runner: Lfm2Runner, inputs: ModelInputs, rows: Sequence[Row], memories: Sequence[RowMemory]
) -> torch.Tensor:
    """Read all prompts, each with its first guesses; the logits behind prompt and guesses."""
    table, parts, counts = runner.embedding, [], []
    for index, (row, memory) in enumerate(zip(rows, memories, strict=True)):
        memory.length = 0
        prompt = inputs.embeds[index]
        if len(rows) > 1:  # padded on the left
            prompt = prompt[inputs.attention_mask[index].bool()]
        parts.append(prompt)
        if row.proposed:
            guess = F.embedding(torch.tensor(row.proposed, device=table.device), table)
            parts.append(guess.to(prompt.dtype))
        counts.append(len(prompt) + len(row.proposed))
    last = [len(row.proposed) + 1 for row in rows]
    return runner.append_rows(memories, counts, embeds=torch.cat(parts), last=last)


def _logprobs(logits: torch.Tensor, chosen: Sequence[int]) -> torch.Tensor:
    """Natural log-probabilities of the chosen tokens, ``(len(chosen),)``, still on the device."""
    rows = logits[: len(chosen)]
    picked = rows.gather(1, torch.tensor(chosen, device=rows.device)[:, None])[:, 0]
    return picked - rows.logsumexp(dim=-1)
