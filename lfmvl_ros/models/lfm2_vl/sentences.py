# SPDX-License-Identifier: Apache-2.0
"""A language model that reads sentences in the place of one that has learned boxes alone."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.models.failures import failure_text
from lfmvl_ros.models.lfm2_vl.copying import CopyMask
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Limit, text_reply
from lfmvl_ros.models.lfm2_vl.grammar import Masked
from lfmvl_ros.models.lfm2_vl.loading import choose_device, load_language_model
from lfmvl_ros.models.lfm2_vl.model_inputs import text_inputs
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import sampler_for
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts

SURE = 0.8
"""Least probability of a whole answer that counts; below it the sentence was not understood."""
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

        As :meth:`lfmvl_ros.core.model.VisionLanguageModel.write`. An answer whose probability is
        below :data:`SURE` becomes :data:`UNSURE`: what a robot does must not be a guess.
        """
        limit = Limit(time.monotonic() + generation.timeout_s, cancelled)
        try:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _Loaded(self._directory, self._device, self._sure)
                return self._loaded.write(prompt, generation, limit, self._name)
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
        inputs = text_inputs(self._model, self._tokenizer, template, prompt)
        room = self._model.config.max_position_embeddings - inputs.ids.shape[1]
        if room < 1:
            raise ValueError("the sentence takes more tokens than the model's context")
        end = AnswerEnd((self._end_id,), min(generation.max_new_tokens, room), self._texts.text)
        width = len(self._pieces)
        mask = CopyMask(self._pieces, prompt.user, prompt.names)
        sampler = Masked(sampler_for(self._greedy(generation), inputs.ids[0], width), mask)
        row = Row(NoDraft(), sampler, end)
        (written,) = decode_answers(self._runner, inputs, [row], blocks=self._blocks, limit=limit)
        reply = text_reply(written, inputs, self._tokenizer, (self._end_id,), name)
        ended = reply.finish is FinishReason.STOP
        sure = ended and math.exp(sum(written.logprobs) - mask.given) >= self._sure
        if sure or reply.finish is FinishReason.DEADLINE:
            return reply
        return replace(reply, text=UNSURE, finish=FinishReason.STOP)
