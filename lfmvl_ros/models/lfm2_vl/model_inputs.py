# SPDX-License-Identifier: Apache-2.0
"""From frames and prompts to the inputs of the language model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.prompt import Prompt, TextPrompt
from lfmvl_ros.models.chat_template import user_turn
from lfmvl_ros.models.lfm2_vl.image_processing import trim_padding
from lfmvl_ros.models.lfm2_vl.tokenisations import tokenisations

_PLACE = "\ue000"  # a character that nobody says


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """A batch ready for the language tower.

    Attributes:
        ids: ``(B, T)`` int64, padded on the left.
        attention_mask: ``(B, T)`` int64, 0 on padding.
        embeds: ``(B, T, width)``, text and image embeddings in the model's precision.
        image_tokens: image tokens of each image, markers not counted.
        preprocess_s, vision_s: time spent so far, of the whole batch. ``vision_s`` covers vision
            tower, projector and the merge with the text embeddings.
    """

    ids: torch.Tensor
    attention_mask: torch.Tensor
    embeds: torch.Tensor
    image_tokens: tuple[int, ...]
    preprocess_s: float
    vision_s: float


def processor_options(rules: ImageTokenSettings, image_processor: Any) -> dict[str, Any]:
    """Return the rules that change at run time as options of the image processor."""
    if hasattr(image_processor, "merge_size"):  # Qwen2-VL's, of LFM3-VL
        area = rules.unit_px**2
        limits = {"shortest_edge": rules.min_tokens * area, "longest_edge": rules.max_tokens * area}
        return {"size": limits}
    return {
        "min_image_tokens": rules.min_tokens,
        "max_image_tokens": rules.max_tokens,
        "do_image_splitting": rules.split,
        "min_tiles": rules.min_tiles,
        "max_tiles": rules.max_tiles,
    }


class InputBuilder:
    """Runs chat template, image processor and vision tower of one checkpoint.

    The features of the last images are cached, so another prompt about the same pixels skips the
    vision tower.

    Args:
        model: that embeds text and images.
        processor: of the checkpoint.
        one_by_one: each image passes through the vision tower without the others, so that its
            features are the same alone and in a batch, to the bit. For int8 weights, where a
            difference in the last bit can move a number to the next code.
    """

    def __init__(self, model: Any, processor: Any, *, one_by_one: bool = False) -> None:
        self._one_by_one = one_by_one
        self._model, self._processor = model, processor
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:  # any does: the attention mask hides it
            tokenizer.pad_token = tokenizer.eos_token
        self._image_id = int(model.config.image_token_id)
        self._seen: tuple[object, torch.Tensor] | None = None

    def chat(self, text: str) -> str:
        """Return the prompt in the checkpoint's chat format, up to where the answer starts."""
        return str(
            self._processor.apply_chat_template(
                user_turn(text), add_generation_prompt=True, tokenize=False
            )
        )

    def build(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        rules: ImageTokenSettings,
        *,
        synchronize: Callable[[], None] = lambda: None,
    ) -> ModelInputs:
        """Prepare ``frames[i]`` with ``prompts[i]`` as row ``i`` of a batch."""
        start = time.monotonic()
        features = self._processor(
            text=[self.chat(prompt.text) for prompt in prompts],
            images=[[frame.pixels] for frame in frames],
            images_kwargs={
                **processor_options(rules, self._processor.image_processor),
                "input_data_format": "channels_last",
            },
            text_kwargs={"padding": True},
            return_tensors="pt",
        )
        if "spatial_shapes" in features:
            features = trim_padding(features)
        device = self._model.device
        features = {key: value.to(device) for key, value in features.items()}
        synchronize()
        prepared = time.monotonic()
        embeds = self._embed(features, (rules, *(_fingerprint(frame) for frame in frames)))
        synchronize()
        seen = time.monotonic()
        counts = (features["input_ids"] == self._image_id).sum(dim=1)
        return ModelInputs(
            features["input_ids"],
            features["attention_mask"],
            embeds,
            tuple(int(count) for count in counts),
            prepared - start,
            seen - prepared,
        )

    def build_text(self, prompt: TextPrompt) -> ModelInputs:
        """Prepare a question without an image, as a batch of one."""
        template = self._processor.apply_chat_template
        return text_inputs(self._model, self._processor.tokenizer, template, prompt)

    @torch.inference_mode()
    def _embed(self, features: dict[str, torch.Tensor], key: object) -> torch.Tensor:
        """Return text embeddings, with the image features at the image tokens."""
        ids = features["input_ids"]
        embeds: torch.Tensor = self._model.get_input_embeddings()(ids)
        if self._seen is None or self._seen[0] != key:
            self._seen = None  # frees the old features first
            self._seen = (key, self._look(features, embeds.dtype))
        images = self._seen[1]
        places = ids == self._image_id
        if int(places.sum()) != len(images):
            raise ValueError(
                f"the processor kept {int(places.sum())} places for {len(images)} image tokens"
            )
        return embeds.masked_scatter(places[..., None], images)

    def _look(self, features: dict[str, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
        """Run the vision tower; ``(image tokens, width)``."""
        images = {k: v for k, v in features.items() if k not in ("input_ids", "attention_mask")}
        images["pixel_values"] = images["pixel_values"].to(dtype)
        parts = [images]
        if self._one_by_one and "spatial_shapes" in images:
            count = len(images["spatial_shapes"])
            parts = [
                trim_padding({key: value[i : i + 1] for key, value in images.items()})
                for i in range(count)
            ]
        found = [self._model.get_image_features(**part, return_dict=True) for part in parts]
        return torch.cat([each for seen in found for each in seen.pooler_output]).to(dtype)


def text_inputs(
    model: Any,
    tokenizer: Any,
    chat_template: Callable[..., str],
    prompt: TextPrompt,
    *,
    ways: int = 1,
) -> ModelInputs:
    """Prepare a question without an image, as a batch of one, or of ``ways``.

    Args:
        model: whose embeddings are used.
        tokenizer: of the model.
        chat_template: ``apply_chat_template`` of its processor or tokenizer.
        prompt: the question.
        ways: rows; those after the first have the same text in other tokens, see
            :func:`~lfmvl_ros.models.lfm2_vl.tokenisations.tokenisations`.
    """
    start = time.monotonic()

    def chat(user: str) -> str:
        turns = [("system", prompt.system), ("user", user)]
        said = [{"role": role, "content": text} for role, text in turns if text]
        return str(chat_template(said, add_generation_prompt=True, tokenize=False))

    whole, (head, _, tail) = chat(prompt.user), chat(_PLACE).rpartition(_PLACE)
    parts = (head, prompt.user, tail)
    if "".join(parts) != whole:  # a template that changes what was said
        parts = (whole, "", "")
    rows = tokenisations(tokenizer, parts, ways)
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    ids, mask = ids.to(model.device), mask.to(model.device)
    embeds = model.get_input_embeddings()(ids)
    return ModelInputs(ids, mask, embeds, (0,) * ways, time.monotonic() - start, 0.0)


def _fingerprint(frame: Frame) -> tuple[tuple[int, int], bytes]:
    """Size and digest of an image; a millisecond for a megabyte."""
    return frame.wh, hashlib.blake2b(frame.pixels.data, digest_size=16).digest()
