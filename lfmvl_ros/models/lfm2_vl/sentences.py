# SPDX-License-Identifier: Apache-2.0
"""A language model that reads sentences in the place of one that has learned boxes alone."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.models.failures import failure_text
from lfmvl_ros.models.lfm2_vl.copying import CopyMask
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Limit, text_reply
from lfmvl_ros.models.lfm2_vl.grammar import Masked
from lfmvl_ros.models.lfm2_vl.loading import choose_device, load_language_model
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs, text_inputs
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import sampler_for
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts

WAYS = 5
"""In how many tokenisations a sentence is read."""
SURE = 0.6
"""Least probability of an answer, its mean over the tokenisations, that counts; below it the
sentence was not understood."""
UNSURE = "I am not sure what that means."
_log = logging.getLogger(__name__)


class SentenceModel:
    """An LFM2 without vision, loaded when the first sentence comes.

    Args:
        directory: of its checkpoint.
        name: of the model that it belongs to, as in replies.
        device: as the setting ``device``.
        sure: least probability of an answer that counts, 0 to 1.
    """

    def __init__(self, directory: str, name: str, device: str, *, sure: float = SURE) -> None:
        self._sure = sure
        self._directory, self._name, self._device = directory, name, device
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer a question without an image.

        As :meth:`lfmvl_ros.core.model.VisionLanguageModel.write`. The sentence is read in
        :data:`WAYS` tokenisations, and the answer is the one with the largest mean probability. If
        that is below :data:`SURE`, the reply is :data:`UNSURE`: what a robot does must not be a
        guess.
        """
        limit = Limit(time.monotonic() + generation.timeout_s, cancelled)
        try:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _Loaded(self._directory, self._device, self._sure)
                return self._loaded.write(prompt, generation, limit, self._name)
        except UserError as error:
            return Reply.failed(str(error), self._name)
        except Exception as error:
            _log.exception("the model could not answer")
            return Reply.failed(failure_text(error), self._name)


class _Loaded:
    """The weights and what runs them."""

    def __init__(self, directory: str, device: str, sure: float) -> None:
        self._sure = sure
        self._model, self._tokenizer = load_language_model(directory, choose_device(device))
        self._runner = Lfm2Runner(self._model)
        self._texts = TokenTexts(self._tokenizer)
        width = len(self._model.get_input_embeddings().weight)
        self._pieces = [self._texts.piece(id_) for id_ in range(width)]
        self._end_id = int(self._tokenizer.eos_token_id)
        self._blocks = Blocks.for_device(self._model.device.type)

    @staticmethod
    def _greedy(generation: GenerationSettings) -> GenerationSettings:
        """Chance helps to describe an image, never to understand a command."""
        return replace(generation, temperature=0.0, repetition_penalty=1.0)

    @torch.inference_mode()
    def write(
        self, prompt: TextPrompt, generation: GenerationSettings, limit: Limit, name: str
    ) -> Reply:
        """Return the reply to a question."""
        if limit.reached():
            return Reply("", finish=FinishReason.DEADLINE, model=name)
        template = self._tokenizer.apply_chat_template
        inputs = text_inputs(self._model, self._tokenizer, template, prompt, ways=WAYS)
        room = self._model.config.max_position_embeddings - inputs.ids.shape[1]
        if room < 1:
            raise UserError(
                f"the sentence takes {inputs.ids.shape[1]} tokens, and the model's context has "
                f"{self._model.config.max_position_embeddings}; shorten it"
            )
        most = min(generation.max_new_tokens, room)
        masks = [CopyMask(self._pieces, prompt.user, prompt.names) for _ in range(WAYS)]
        rows = [self._row(mask, inputs, generation, most) for mask in masks]
        written = decode_answers(self._runner, inputs, rows, blocks=self._blocks, limit=limit)
        ends = (self._end_id,)
        replies = [text_reply(each, inputs, self._tokenizer, ends, name) for each in written]
        late = [reply for reply in replies if reply.finish is FinishReason.DEADLINE]
        if late:
            return late[0]
        shares = [
            math.exp(sum(each.logprobs) - mask.given) if each.finish is FinishReason.STOP else 0.0
            for each, mask in zip(written, masks, strict=True)
        ]
        reply, share = likeliest(replies, shares)
        if share >= self._sure:
            return reply
        return replace(reply, text=UNSURE, finish=FinishReason.STOP)

    def _row(
        self, mask: CopyMask, inputs: ModelInputs, generation: GenerationSettings, most: int
    ) -> Row:
        end = AnswerEnd((self._end_id,), most, self._texts.text)
        sampler = sampler_for(self._greedy(generation), inputs.ids[0], len(self._pieces))
        return Row(NoDraft(), Masked(sampler, mask), end)


def likeliest(replies: Sequence[Reply], probabilities: Sequence[float]) -> tuple[Reply, float]:
    """Return the answer that has the largest mean probability, and this.

    Args:
        replies: one for each tokenisation; those with the same text are one answer.
        probabilities: of each, 0 to 1.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for reply, probability in zip(replies, probabilities, strict=True):
        sums[reply.text] += probability
    text = max(sums, key=sums.__getitem__)
    return next(reply for reply in replies if reply.text == text), sums[text] / len(replies)
