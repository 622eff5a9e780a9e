# SPDX-License-Identifier: Apache-2.0
"""Speculative decoding: several tokens per forward pass, and the same answer token for token.

A draft proposes the next tokens. One forward pass gives the logits after each of them. Proposals
are accepted as long as they equal the token that would have been chosen anyway (Leviathan et al.,
2023, arXiv:2211.17192, but the draft needs no second model). Rejected tokens are removed by
lowering the length of the KV cache. The first draft is verified in the same pass as the prompt.
The answers of a batch are decoded together, each with its own draft, length and end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F

from lfmvl_ros.models.lfm2_vl.draft_tokens import BlockSize
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Generated, Limit, cut_answer
from lfmvl_ros.models.lfm2_vl.kv_cache import RowCache
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import Sampler


class Proposer(Protocol):
    """Drafts the next tokens of an answer. A wrong draft costs time, never the answer."""

    def propose(self, ids: Sequence[int], most: int) -> list[int]:
        """Return up to ``most`` tokens that may follow ``ids``, all within the vocabulary."""


class NoDraft:
    """Proposes nothing: one token per forward pass."""

    def propose(self, ids: Sequence[int], most: int) -> list[int]:  # noqa: ARG002
        """Return nothing."""
        return []


@dataclass
class Blocks:
    """Draft lengths: with the prompt, and afterwards. They adapt over answers."""

    first: BlockSize
    later: BlockSize

    @classmethod
    def for_device(cls, kind: str, longest: int | None = None) -> Blocks:
        """Return sizes that pay on a ``cpu`` or on ``cuda``, before anything is learned.

        A GPU is limited by memory bandwidth, so up to 64 tokens take little longer than one.

        Args:
            kind: of the device.
            longest: of drafts behind the prompt, where the weights need shorter ones on a CPU.
        """
        if kind == "cuda":
            return cls(BlockSize(32, 512), BlockSize(32, 128))
        return cls(BlockSize(8, 256), BlockSize(8, longest or 64))


@dataclass
class Row:
    """One answer of a batch while it is being generated.

    Attributes:
        proposer, sampler, end: draft the tokens, choose them, and decide when to stop.
        ids: tokens so far; proposed: the draft in the current forward pass.
        forwards: forward passes this answer took part in.
    """

    proposer: Proposer
    sampler: Sampler
    end: AnswerEnd
    ids: list[int] = field(default_factory=list)
    proposed: list[int] = field(default_factory=list)
    marks: list[torch.Tensor] = field(default_factory=list)
    forwards: int = 0

    def propose(self, size: BlockSize) -> None:
        """Draft the next tokens, within the block size and the longest answer."""
        room = self.end.most - len(self.ids) - 1
        self.proposed = self.proposer.propose(self.ids, min(size.now, room))

    def take(self, logits: torch.Tensor, size: BlockSize, cache: RowCache) -> None:
        """Choose tokens after a forward pass, and remove rejected ones from the KV cache."""
        chosen = self.sampler.choose(logits, self.proposed)
        self.marks.append(_logprobs(logits, chosen))
        self.ids += chosen
        self.forwards += 1
        accepted = len(chosen) - 1
        size.learn(len(self.proposed), accepted)
        cache.length -= len(self.proposed) - accepted
        self.end.add(chosen)


@torch.inference_mode()
def decode_answers(
    runner: Lfm2Runner, inputs: ModelInputs, rows: Sequence[Row], *, blocks: Blocks, limit: Limit
) -> list[Generated]:
    """Generate one answer per row of the batch; every pass has all rows that are not finished.

    ``limit`` is checked after each forward pass; tokens confirmed by then are kept.
    """
    start = time.monotonic()
    caches = runner.rows(len(rows))
    size, first_s, active = blocks.first, 0.0, list(range(len(rows)))
    while True:
        for index in active:
            rows[index].propose(size)
        if size is blocks.first:
            logits = _prefill(runner, inputs, rows, caches)
        else:
            ids = [token for i in active for token in (rows[i].ids[-1], *rows[i].proposed)]
            counts = [len(rows[i].proposed) + 1 for i in active]
            tokens = torch.tensor(ids, device=runner.embedding.device)
            logits = runner.append_rows([caches[i] for i in active], counts, tokens)
        place = 0
        for index in active:
            row, count = rows[index], len(rows[index].proposed) + 1
            row.take(logits[place : place + count], size, caches[index])
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


def _prefill(
    runner: Lfm2Runner, inputs: ModelInputs, rows: Sequence[Row], caches: Sequence[RowCache]
) -> torch.Tensor:
    """Prefill all prompts, each with its first draft; return the logits after both."""
    table, parts, counts = runner.embedding, [], []
    for index, (row, cache) in enumerate(zip(rows, caches, strict=True)):
        cache.length = 0
        prompt = inputs.embeds[index]
        if len(rows) > 1:  # padded on the left
            prompt = prompt[inputs.attention_mask[index].bool()]
        parts.append(prompt)
        if row.proposed:
            guess = F.embedding(torch.tensor(row.proposed, device=table.device), table)
            parts.append(guess.to(prompt.dtype))
        counts.append(len(prompt) + len(row.proposed))
    last = [len(row.proposed) + 1 for row in rows]
    return runner.append_rows(caches, counts, embeds=torch.cat(parts), last=last)


def _logprobs(logits: torch.Tensor, chosen: Sequence[int]) -> torch.Tensor:
    """Natural log-probabilities of the chosen tokens, ``(len(chosen),)``, still on the device."""
    # Unlike logsumexp(), which splits a single row over threads, the same for any number of rows.
    rows = logits[: len(chosen)].log_softmax(dim=-1)
    return rows.gather(1, torch.tensor(chosen, device=rows.device)[:, None])[:, 0]
