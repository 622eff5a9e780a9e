# SPDX-License-Identifier: Apache-2.0
"""Generating an answer with transformers' ``generate``: any batch, any sampling."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.grammar import GrammarMask, MaskingProcessor
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs


@dataclass(frozen=True)
class Limit:
    """When to stop generating: at a time of the monotonic clock, or on cancellation."""

    deadline_s: float
    cancelled: Callable[[], bool]

    def reached(self) -> bool:
        """True once the answer has to end."""
        return time.monotonic() >= self.deadline_s or self.cancelled()


@dataclass(frozen=True)
class Generated:
    """One answer as tokens.

    Attributes:
        ids: generated tokens, the end token included when it came.
        logprobs: natural log-probability of each, from the logits before any sampling rule.
        finish: why it ended.
        prefill_s: from the embeddings to the first token; decode_s: the rest. Of the whole batch.
        forwards: passes through the language tower, the prompt's included.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: FinishReason
    prefill_s: float
    decode_s: float
    forwards: int = 0


def text_reply(
    written: Generated, inputs: ModelInputs, tokenizer: Any, end_ids: Container[int], name: str
) -> Reply:
    """Return the reply to a question without an image; markers of tool calls stay in its text.

    Args:
        written: what was generated.
        inputs: the question.
        tokenizer: of the model.
        end_ids: tokens that end an answer.
        name: of the model.
    """
    times = StageTimes(inputs.preprocess_s, 0.0, written.prefill_s, written.decode_s)
    ids = [id_ for id_ in written.ids if id_ not in end_ids]
    text = tokenizer.decode(ids, skip_special_tokens=False)
    return Reply(text, (), written.finish, times, 0, name, forwards=written.forwards)


@dataclass
class _Recorder(StoppingCriteria):  # type: ignore[misc]
    """Called after each token: records its log-probability and the time, checks the limit."""

    limit: Limit
    answer_ends: Sequence[AnswerEnd]
    logits: torch.Tensor | None = None
    logprobs: list[torch.Tensor] = field(default_factory=list)
    first_token_s: float = 0.0
    stopped: bool = False

    def keep_logits(self, _module: Any, _inputs: Any, output: torch.Tensor) -> None:
        """Forward hook of the language head."""
        self.logits = output[:, -1]

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        if self.logits is None:
            raise RuntimeError("generate chose a token before the language head ran")
        chosen = input_ids[:, -1:].to(self.logits.device)
        logprobs = torch.log_softmax(self.logits.float(), dim=-1).gather(1, chosen)[:, 0].cpu()
        self.logprobs.append(logprobs)
        if not self.first_token_s:
            self.first_token_s = time.monotonic()
        self.stopped = self.stopped or self.limit.reached()
        over = [end.add(row) for end, row in zip(self.answer_ends, chosen.tolist(), strict=True)]
        return torch.tensor([self.stopped or done for done in over], device=input_ids.device)


def generation_config(
    settings: GenerationSettings, *, end_ids: tuple[int, ...], pad_id: int, max_new_tokens: int
) -> GenerationConfig:
    """Return transformers' configuration for our settings; temperature 0 is greedy."""
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "eos_token_id": list(end_ids),
        "pad_token_id": pad_id,
        "repetition_penalty": settings.repetition_penalty,
        "do_sample": settings.temperature > 0,
        "use_cache": True,
    }
    if settings.temperature > 0:
        options.update(
            temperature=settings.temperature,
            min_p=settings.min_p,
            top_k=settings.top_k,
            top_p=settings.top_p,
        )
    return GenerationConfig(**options)


def run_generate(
    model: Any,
    inputs: ModelInputs,
    config: GenerationConfig,
    limit: Limit,
    *,
    text_of: Callable[[int], str] = lambda _: "",
    masks: Sequence[GrammarMask] = (),
) -> list[Generated]:
    """Generate one answer per row of the batch.

    ``text_of`` returns the text that a token adds; ``masks``, one per row, allow the next tokens.
    """
    ends = [AnswerEnd(config.eos_token_id, config.max_new_tokens, text_of) for _ in inputs.ids]
    recorder = _Recorder(limit, ends)
    hook = model.lm_head.register_forward_hook(recorder.keep_logits)
    start = time.monotonic()
    try:
        sequences = model.generate(
            input_ids=inputs.ids,
            attention_mask=inputs.attention_mask,
            inputs_embeds=inputs.embeds,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([recorder]),
            logits_processor=LogitsProcessorList([MaskingProcessor(masks)] if masks else []),
        )
    finally:
        hook.remove()
    stop = time.monotonic()
    rows = sequences[:, inputs.ids.shape[1] :].tolist()
    logprobs = torch.stack(recorder.logprobs, dim=1).tolist()
    first_s = recorder.first_token_s
    return [
        cut_answer(end, row, marks, first_s - start, stop - first_s, end.count)
        for end, row, marks in zip(ends, rows, logprobs, strict=True)
    ]


def cut_answer(
    end: AnswerEnd,
    ids: Sequence[int],
    logprobs: Sequence[float],
    prefill_s: float,
    decode_s: float,
    forwards: int,
) -> Generated:
    """Return the tokens that belong to the answer, and why it ended: cut off if not complete."""
    finish = FinishReason.DEADLINE if end.finish is None else end.finish
    return Generated(
        tuple(ids[: end.keep]), tuple(logprobs[: end.keep]), finish, prefill_s, decode_s, forwards
    )
