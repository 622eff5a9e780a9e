# SPDX-License-Identifier: Apache-2.0
"""Samples as model inputs: token ids as of the processor, and which tokens the loss counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lfmvl_ros.core.coordinate_scales import side_of
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.datasets.questions import AnswerObject, answer_text, reading_order
from lfmvl_ros.finetune.samples import TrainingSample
from lfmvl_ros.models.lfm2_vl.image_processing import trim_padding
from lfmvl_ros.models.lfm2_vl.model_inputs import processor_options

IGNORED = -100
"""In ``labels``: a position that the loss ignores."""


@dataclass(frozen=True, eq=False)
class EncodedRow:
    """Ids of a prompt with its image tokens, and of the answer with the token that ends it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A sample: one row for each question about the image.

    Attributes:
        rows: the rows.
        image_tokens: number of image tokens in each prompt.
        features: inputs of the vision tower: ``pixel_values`` (crops, patches, 768) float32 and
            its companions.
    """

    rows: tuple[EncodedRow, ...]
    image_tokens: int
    features: dict[str, Tensor]

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return sum(map(len, self.rows))

    @property
    def answer_tokens(self) -> int:
        """Tokens that the loss counts."""
        return sum(len(row.answer) for row in self.rows)


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples side by side: I images, B rows of at most T tokens, padded on the right.

    Attributes:
        ids: int64 (B, T).
        mask: int64 (B, T), 0 on padding.
        labels: int64 (B, T), the ids of answers, elsewhere :data:`IGNORED`.
        owner: (B,) which image a row is about.
        image_tokens: (I,) of each image.
        features: of all images, in their order.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    owner: tuple[int, ...]
    image_tokens: tuple[int, ...]
    features: dict[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """Return the same on a device."""
        return Batch(
            self.ids.to(device),
            self.mask.to(device),
            self.labels.to(device),
            self.owner,
            self.image_tokens,
            {name: value.to(device) for name, value in self.features.items()},
        )


def written_answer(found: Sequence[AnswerObject], template: PromptTemplate) -> str:
    """Return the correct answer, left to right, in the scale and decimals of a template.

    A template with neither decimals nor a scale is taken to be of a family that writes integers
    from 0 to 1000.
    """
    if template.decimals:
        return answer_text(reading_order(found, template.decimals), template.decimals)
    objects, side = [], side_of(template.scale or "0-1000")
    for item in reading_order(found, 3):
        numbers = [round(min(max(float(value), 0.0), 1.0) * side) for value in item.xyxy]
        label = json.dumps(item.label, ensure_ascii=False)
        objects.append(f'{{"label": {label}, "bbox": {numbers}}}')
    return f"[{', '.join(objects)}]"


class Encoder:
    """Encodes samples with a checkpoint's own processor and chat template.

    Args:
        processor: of the checkpoint.
        rules: image token rules to use; tiles are made as the processor makes them.
        context: most tokens of prompt and answer.
    """

    def __init__(self, processor: Any, rules: ImageTokenSettings, context: int) -> None:
        self._processor, self._rules, self._context = processor, rules, context
        self._tokenizer = processor.tokenizer
        self._image_id = int(processor.image_token_id)
        self._end_id = int(self._tokenizer.eos_token_id)

    def encode(self, sample: TrainingSample) -> Encoded:
        """Encode a sample; its image goes through the processor once.

        Raises:
            UserError: prompt and answer are longer than the context; they are never cut.
        """
        chats = [self._chat(asking.template, asking.question.labels) for asking in sample.askings]
        features = self._processor(
            text=chats[:1],
            images=[[sample.pixels]],
            images_kwargs={
                **processor_options(self._rules, self._processor.image_processor),
                "input_data_format": "channels_last",
            },
            return_tensors="pt",
        )
        first = features.pop("input_ids")[0].tolist()
        features.pop("attention_mask")
        tails = [self._behind_image(chat) for chat in chats]
        head = tuple(first[: len(first) - len(tails[0])])
        assert first[len(head) :] == list(tails[0]), "the processor cuts text in another way"
        rows = []
        for asking, tail in zip(sample.askings, tails, strict=True):
            answer = self._ids(written_answer(asking.question.found, asking.template))
            rows.append(EncodedRow((*head, *tail), (*answer, self._end_id)))
        longest = max(map(len, rows))
        if longest > self._context:
            height, width = sample.pixels.shape[:2]
            raise UserError(
                f"prompt and answer about an image of {width}x{height} take {longest:,} tokens, "
                f"and the context of this model is {self._context:,}; lower --image-tokens, or "
                "--most-objects"
            )
        return Encoded(tuple(rows), head.count(self._image_id), trim_padding(features))

    def _chat(self, template: PromptTemplate, labels: Sequence[str]) -> str:
        text = template.text.replace("{query}", ", ".join(labels))
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return str(
            self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        )

    def _behind_image(self, chat: str) -> tuple[int, ...]:
        """Ids of what follows the image; the image's own tokens cut the text before it."""
        return self._ids(chat.rpartition(self._processor.image_token)[2])

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def collate(samples: Sequence[Encoded], *, pad_id: int = 0) -> Batch:
    """Put samples side by side; images may have different numbers of patches and tiles."""
    rows = [(row, index) for index, sample in enumerate(samples) for row in sample.rows]
    shape = (len(rows), max(len(row) for row, _ in rows))
    ids, mask = torch.full(shape, pad_id), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    for place, (row, _) in enumerate(rows):
        start, stop = len(row.prompt), len(row)
        ids[place, :stop] = torch.tensor(row.prompt + row.answer)
        mask[place, :stop] = 1
        labels[place, start:stop] = torch.tensor(row.answer)
    return Batch(
        ids,
        mask,
        labels,
        tuple(index for _, index in rows),
        tuple(sample.image_tokens for sample in samples),
        _stacked([sample.features for sample in samples]),
    )


def _stacked(features: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    longest = max(part["pixel_values"].shape[1] for part in features)
    stacked = {}
    for name in features[0]:
        parts = [part[name] for part in features]
        if name in ("pixel_values", "pixel_attention_mask"):
            parts = [_padded(part, longest) for part in parts]
        stacked[name] = torch.cat(parts)
    return stacked


def _padded(values: Tensor, length: int) -> Tensor:
    more = values.new_zeros((values.shape[0], length - values.shape[1], *values.shape[2:]))
    return torch.cat([values, more], 1)


def passes(samples: Sequence[Encoded], most_tokens: int) -> Iterator[list[Encoded]]:
    """Group samples for one forward pass each: as many as fit, at least one."""
    group: list[Encoded] = []
    for sample in sorted(
        samples, key=lambda item: np.prod(item.features["pixel_values"].shape[:2])
    ):
        if group and sum(item.tokens for item in group) + sample.tokens > most_tokens:
            yield group
            group = []
        group.append(sample)
    if group:
        yield group
