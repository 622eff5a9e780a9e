# SPDX-License-Identifier: Apache-2.0
"""LFM2-VL checkpoints through transformers, behind the package's model protocol."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lfmvl_ros.core.calibration.calibration import Calibration
from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.drafting.draft_text import AnswerDraft
from lfmvl_ros.core.drafting.drafts import LONGEST_TEXT
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import (
    ImageTokenSettings,
    count_image_tokens,
    settings_for_budget,
)
from lfmvl_ros.core.model import check_pairs
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import Prompt, PromptTemplate, TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token
from lfmvl_ros.models.calibration_file import CHECKPOINT, calibration_of
from lfmvl_ros.models.checkpoint_files import rules_from
from lfmvl_ros.models.failures import failure_text, is_out_of_memory
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft, Proposer, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.draft_tokens import TokenDraft, encoder
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import (
    Generated,
    Limit,
    generation_config,
    run_generate,
    text_reply,
)
from lfmvl_ros.models.lfm2_vl.grammar import AnswerGrammars, GrammarMask, Masked, can_constrain
from lfmvl_ros.models.lfm2_vl.loading import choose_device, load_checkpoint
from lfmvl_ros.models.lfm2_vl.model_inputs import InputBuilder, ModelInputs
from lfmvl_ros.models.lfm2_vl.precision import Precision, choose_precision, int8_runner
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import Sampler, sampler_for
from lfmvl_ros.models.lfm2_vl.sentences import SentenceModel
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts
from lfmvl_ros.models.model_name import INT8

_log = logging.getLogger(__name__)


class Lfm2VlBackend:
    """A loaded checkpoint; implements :class:`lfmvl_ros.core.model.VisionLanguageModel`.

    :mod:`lfmvl_ros.models.lfm2_vl.decoding` generates the answers of a batch together, several
    tokens per forward pass where a draft predicts them. Models that
    :class:`lfmvl_ros.models.lfm2_vl.runner.Lfm2Runner` can't run use transformers' ``generate``,
    as all do with ``use_runner=False``.

    ``ground`` is called by one thread at a time. A running vision pass or forward pass can't be
    interrupted; deadline and cancellation are checked before and after each.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        template: PromptTemplate,
        use_runner: bool = True,
        runner: Lfm2Runner | None = None,
    ) -> None:
        self._name, self._template = name, template
        self.coordinates = CoordinateScale(template.scale, name)
        self.calibration: Calibration | None = None
        self.has_own_calibration = True
        """False if the calibration was fitted on the weights before they were quantised."""
        self.remark, self.revision = "", ""
        self.sentences: SentenceModel | None = None
        """Answers prompts without an image instead of a checkpoint that was not trained to."""
        self.precision = str(Precision(model.dtype, int8=runner is not None and runner.int8))
        """Of the weights that answer, whatever was asked for: ``int8``, ``bfloat16`` …"""
        self._model, self._processor = model, processor
        self._builder = InputBuilder(model, processor, one_by_one=runner is not None)
        self._texts = TokenTexts(processor.tokenizer)
        self._end_ids = _end_ids(model, processor.tokenizer)
        self._usual_end_id = processor.tokenizer.eos_token_id or self._end_ids[0]
        self._pad_id = _pad_id(processor.tokenizer, self._end_ids)
        self._own_rules = rules_from(processor.image_processor.to_dict(), name)
        self._runner = runner or (_runner_of(model) if use_runner else None)
        longest = self._runner.longest_draft if self._runner else None
        self._blocks = Blocks.for_device(model.device.type, longest)
        self._encode = encoder(processor.tokenizer)
        self._own_grammars: AnswerGrammars | None = None
        self._style = ""  # the last answer with objects: wording and spacing of drafts
        # Sampling follows this package's settings only, never the checkpoint's own.
        model.generation_config = generation_config(
            GenerationSettings(), end_ids=self._end_ids, pad_id=self._pad_id, max_new_tokens=512
        )

    @classmethod
    def load(
        cls, source: str, *, name: str, template: PromptTemplate, device: str, dtype: str
    ) -> Lfm2VlBackend:
        """Load a directory.

        Raises:
            UserError: it can't be used; the message gives the reason and what to do.
        """
        target = choose_device(device)
        precision = choose_precision(dtype, target)
        model, processor = load_checkpoint(source, target, precision.dtype)
        runner = int8_runner(model) if precision.int8 else None
        backend = cls(model, processor, name=name, template=template, runner=runner)
        backend.calibration, fitted_on = calibration_of(Path(source), backend.weights)
        backend.has_own_calibration = fitted_on == backend.weights
        return backend

    @property
    def name(self) -> str:
        """Name of the checkpoint, as published with every answer."""
        return self._name

    @property
    def weights(self) -> str:
        """The weights that a calibration has to be fitted on: the checkpoint's, or ``int8``."""
        return INT8 if self.precision == INT8 else CHECKPOINT

    @property
    def template(self) -> PromptTemplate:
        """The checkpoint's own prompt template."""
        return self._template

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,
        cancelled: Callable[[], bool] = lambda: False,
        hints: Sequence[Hint | None] = (),
    ) -> list[Reply]:
        """Answer ``prompts[i]`` about ``frames[i]``, as one batch; see the protocol.

        The stage times of a batch are those of the whole batch, in each of its replies. When
        memory runs out the batch is tried once more with half the image tokens.
        """
        check_pairs(frames, prompts)
        if not frames:
            return []
        limit = Limit(time.monotonic() + generation.timeout_s, cancelled)
        try:
            rules = wanted_rules(self._own_rules, image)
            try:
                return self._answer(frames, prompts, generation, rules, limit, hints)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                _log.warning("out of memory; trying again with half the image tokens")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            rules = halved(rules, [frame.wh for frame in frames])
            return self._answer(frames, prompts, generation, rules, limit, hints)
        except Exception as error:
            _log.exception("the model could not answer")
            return [Reply.failed(failure_text(error), self._name) for _ in frames]

    def _answer(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        generation: GenerationSettings,
        rules: ImageTokenSettings,
        limit: Limit,
        hints: Sequence[Hint | None],
    ) -> list[Reply]:
        if limit.reached():
            return [Reply("", finish=FinishReason.DEADLINE, model=self._name) for _ in frames]
        with torch.inference_mode():
            inputs = self._builder.build(frames, prompts, rules, synchronize=self._synchronize)
            if limit.reached():
                nothing = Generated((), (), FinishReason.DEADLINE, 0.0, 0.0)
                generated = [nothing] * len(frames)
            else:
                hints = [*hints, *[None] * (len(prompts) - len(hints))]
                proposers = [
                    self._proposer(prompt, hint, generation)
                    for prompt, hint in zip(prompts, hints, strict=True)
                ]
                masks = self._masks(generation, prompts)
                generated = self._generate(inputs, generation, limit, proposers, masks)
        return [
            self._reply(answer, inputs, count)
            for answer, count in zip(generated, inputs.image_tokens, strict=True)
        ]

    def _generate(
        self,
        inputs: ModelInputs,
        generation: GenerationSettings,
        limit: Limit,
        proposers: Sequence[Proposer],
        masks: Sequence[GrammarMask | None],
    ) -> list[Generated]:
        length = inputs.ids.shape[1]
        room = self._model.config.text_config.max_position_embeddings - length
        if room < 1:
            raise ValueError(
                f"prompt and image take {length} tokens, more than the model's context; "
                "lower image.max_tokens or image.max_tiles"
            )
        most = min(generation.max_new_tokens, room)
        if self._runner is not None:
            rows = [
                Row(
                    proposers[index],
                    self._sampler(generation, ids[inputs.attention_mask[index].bool()], mask),
                    AnswerEnd(self._end_ids, most, self._texts.text),
                )
                for index, (ids, mask) in enumerate(zip(inputs.ids, masks, strict=True))
            ]
            return decode_answers(self._runner, inputs, rows, blocks=self._blocks, limit=limit)
        config = generation_config(
            generation, end_ids=self._end_ids, pad_id=self._pad_id, max_new_tokens=most
        )
        return run_generate(
            self._model, inputs, config, limit, text_of=self._texts.text,
            masks=[mask for mask in masks if mask is not None],
        )  # fmt: skip

    def _masks(
        self, generation: GenerationSettings, prompts: Sequence[Prompt]
    ) -> list[GrammarMask | None]:
        if generation.grammar == "none":
            return [None] * len(prompts)
        return [self._grammars().mask(prompt) for prompt in prompts]

    def _grammars(self) -> AnswerGrammars:
        if self._own_grammars is None:
            width = len(self._model.get_input_embeddings().weight)
            self._own_grammars = AnswerGrammars(self._processor.tokenizer, width, self._end_ids)
        return self._own_grammars

    def _sampler(
        self, generation: GenerationSettings, prompt_ids: torch.Tensor, mask: GrammarMask | None
    ) -> Sampler:
        width = len(self._model.get_input_embeddings().weight)
        sampler = sampler_for(generation, prompt_ids, width)
        return sampler if mask is None else Masked(sampler, mask)

    def _proposer(
        self, prompt: Prompt, hint: Hint | None, generation: GenerationSettings
    ) -> Proposer:
        if generation.draft == "none" or self._runner is None:
            return NoDraft()
        return TokenDraft(
            AnswerDraft(hint, self._style, prompt.query.labels),
            encode=self._encode,
            texts=self._texts,
            end_id=self._usual_end_id,
            width=len(self._runner.embedding),
        )

    def _reply(self, generated: Generated, inputs: ModelInputs, image_tokens: int) -> Reply:
        texts = self._texts.split(generated.ids)
        tokens = tuple(
            Token(id_, text, min(0.0, logprob))
            for id_, text, logprob in zip(generated.ids, texts, generated.logprobs, strict=True)
        )
        times = StageTimes(
            inputs.preprocess_s, inputs.vision_s, generated.prefill_s, generated.decode_s
        )
        text = "".join(texts)
        if generated.finish is FinishReason.STOP:
            self._usual_end_id = generated.ids[-1]
            if "{" in text and len(text) <= LONGEST_TEXT:
                self._style = text
        return Reply(
            text,
            tokens,
            generated.finish,
            times,
            image_tokens,
            self._name,
            forwards=generated.forwards,
            calibration=self.calibration,
        )

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer a question without an image; see the protocol."""
        if self.sentences is not None:
            return self.sentences.write(prompt, generation=generation, cancelled=cancelled)
        limit = Limit(time.monotonic() + generation.timeout_s, cancelled)
        try:
            if limit.reached():
                return Reply("", finish=FinishReason.DEADLINE, model=self._name)
            with torch.inference_mode():
                inputs = self._builder.build_text(prompt)
                mask = None
                if prompt.form is not None and can_constrain():
                    mask = self._grammars().mask_of_form(prompt.form)
                (written,) = self._generate(inputs, generation, limit, [NoDraft()], [mask])
        except Exception as error:
            _log.exception("the model could not answer")
            return Reply.failed(failure_text(error), self._name)
        return text_reply(written, inputs, self._processor.tokenizer, self._end_ids, self._name)

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings:
        """Return the checkpoint's image token rules with these settings applied."""
        return wanted_rules(self._own_rules, wanted)

    def _synchronize(self) -> None:
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)

    def close(self) -> None:
        """Free the weights. The model is not used afterwards."""
        self._model = self._builder = self._processor = self._runner = None  # type: ignore[assignment]
        self.sentences = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def halved(rules: ImageTokenSettings, sizes: Sequence[tuple[int, int]]) -> ImageTokenSettings:
    """Return rules that halve the tokens of the image that takes the most."""
    cost, largest = max((count_image_tokens(wh, rules).tokens, wh) for wh in sizes)
    return settings_for_budget(largest, max(1, cost // 2), rules)


def _runner_of(model: Any) -> Lfm2Runner | None:
    if Lfm2Runner.supports(model):
        return Lfm2Runner(model)
    _log.warning(
        "this checkpoint's language model is not a plain LFM2 or LFM3: answers are generated by "
        "transformers' generate, one token per forward pass"
    )
    return None


def _end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    declared = model.generation_config.eos_token_id
    ids = declared if isinstance(declared, (list, tuple)) else [declared]
    return tuple(sorted({int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None}))


def _pad_id(tokenizer: Any, end_ids: tuple[int, ...]) -> int:
    return int(end_ids[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
