# SPDX-License-Identifier: Apache-2.0
"""A question and its answer as token ids, with what the loss must know of every answer token."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from transformers import PreTrainedTokenizerFast

from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.datasets.questions import Question, Target, answer_text, reading_order
from lfmvl_warehouse.training.data.captions import CAPTION_PROMPT, Phrase, caption_text
from lfmvl_warehouse.training.data.patch_grid import Crop, Grid
from lfmvl_warehouse.training.model import tokenizer as layout

_TAIL = "<|image_end|>{}<|im_end|>\n<|im_start|>assistant\n"
NO_COORDINATE = -1
NO_SUBJECT = -1

# In an answer, what the model decides: whether the list is empty, each label with its closing
# quote, each number's digits, and whether another object follows. The rest is forced by JSON.
_DECISION = re.compile(r'^\[[\]{]|(?<="label": ")[^"]*"|\d+|(?<=\]\})[,\]]')
_LABEL = re.compile(r'(?<="label": ")(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Example:
    """Token ids of prompt and answer.

    Attributes:
        prompt: (N,) int64, up to and including the start of the assistant's turn.
        answer: (M,) int64, the end-of-turn token last.
        decides: (M,) bool, whether the token is a decision (else it is forced by the format).
        coordinate: (M,) int64, index into :func:`layout.coordinate_ids` where the token is the
            second half of a coordinate below one, else NO_COORDINATE.
        subject: (M,) int64, which object of the answer a label or a number is about.
        source: (M, 2) int64, for the tokens of a label where in the prompt it was asked: first
            place, and the place behind the last; zeros for other tokens.
        boxes: (K, 4) the objects of the answer, normalised.
    """

    prompt: NDArray[Any]
    answer: NDArray[Any]
    decides: NDArray[Any]
    coordinate: NDArray[Any]
    subject: NDArray[Any]
    source: NDArray[Any]
    boxes: NDArray[Any]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class ExampleEncoder:
    """Turns questions into examples exactly as processor and chat template would."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._ids = lru_cache(maxsize=4096)(self._encode)
        ids = layout.coordinate_ids(tokenizer)
        self._coordinate = {id_: index for index, id_ in enumerate(ids)}

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def prompt(self, text: str, grid: Grid) -> NDArray[Any]:
        """Ids of a user turn with one image of this grid, ready for the answer."""
        return np.array(self._head(grid) + self._ids(_TAIL.format(text)), dtype=np.int64)

    def _head(self, grid: Grid) -> tuple[int, ...]:
        ids = self._ids("<|startoftext|><|im_start|>user\n<|image_start|>")
        for marker, crop in zip(_markers(grid), grid.crops, strict=True):
            ids += self._ids(marker) + (layout.IMAGE_ID,) * crop.tokens
        return ids

    def _asked(
        self, labels: Sequence[str], template: PromptTemplate, grid: Grid
    ) -> tuple[NDArray[Any], dict[str, tuple[int, int]]]:
        """The prompt, and where in it the tokens of each label are."""
        tail = _TAIL.format(template.text.replace("{query}", ", ".join(labels)))
        head, encoding = self._head(grid), self._backend.encode(tail, add_special_tokens=False)
        places: dict[str, tuple[int, int]] = {}
        tokens = _Places(encoding)
        start = _TAIL.index("{}") + template.text.index("{query}")
        for label in labels:
            stop = start + len(label)
            inside = tokens.between((start, stop))
            places[label] = len(head) + inside.start, len(head) + inside.stop
            start = stop + len(", ")
        return np.array([*head, *encoding.ids], dtype=np.int64), places

    def example(self, question: Question, template: PromptTemplate, grid: Grid) -> Example:
        """Encode a question asked with this template about an image of this grid."""
        prompt, places = self._asked(question.labels, template, grid)
        found = reading_order(question.found, template.decimals)
        text = answer_text(found, template.decimals)
        encoding = self._backend.encode(text, add_special_tokens=False)
        tokens = _Places(encoding)
        decides = np.zeros(len(encoding.ids) + 1, bool)
        decides[-1] = True
        for match in _DECISION.finditer(text):
            decides[tokens.between(match.span())] = True
        subject = [
            text.count('{"label": "', 0, stop) - 1
            if chosen and text[start] not in "[]"
            else NO_SUBJECT
            for (start, stop), chosen in zip(encoding.offsets, decides[:-1], strict=True)
        ]
        source = np.zeros((len(encoding.ids) + 1, 2), np.int64)
        for item, match in zip(found, _LABEL.finditer(text), strict=True):
            source[tokens.between(match.span())] = places[item.label]
        return Example(
            prompt=prompt,
            answer=np.array([*encoding.ids, layout.IM_END_ID]),
            decides=decides,
            coordinate=np.array([*self._coordinates(text, encoding), NO_COORDINATE]),
            subject=np.array([*subject, NO_SUBJECT]),
            source=source,
            boxes=np.array([item.xyxy for item in found]).reshape(-1, 4),
        )

    def _coordinates(self, text: str, encoding: Encoding) -> list[int]:
        """For each token which coordinate below one it ends, or NO_COORDINATE."""
        return [
            self._coordinate.get(id_, NO_COORDINATE)
            if text.endswith("0.", 0, start)
            else NO_COORDINATE
            for id_, (start, _) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    def caption(self, phrases: Sequence[Phrase], grid: Grid) -> Example:
        """Encode a request for a caption; every token of its answer is a decision."""
        text = caption_text(phrases)
        encoding = self._backend.encode(text, add_special_tokens=False)
        tokens = _Places(encoding)
        subject, stop = np.full(len(encoding.ids) + 1, NO_SUBJECT), 0
        for number, phrase in enumerate(phrases):
            start = text.index(phrase.text, stop)
            stop = start + len(phrase.text)
            subject[tokens.between((start, stop))] = number
        answer = np.array([*encoding.ids, layout.IM_END_ID])
        return Example(
            prompt=self.prompt(CAPTION_PROMPT, grid),
            answer=answer,
            decides=np.ones(len(answer), bool),
            coordinate=np.full(len(answer), NO_COORDINATE),
            subject=subject,
            source=np.zeros((len(answer), 2), np.int64),
            boxes=np.array([phrase.target.xyxy for phrase in phrases]).reshape(-1, 4),
        )


def dense_targets(targets: list[Target], grid: Grid) -> tuple[NDArray[Any], ...]:
    """What each patch shows, for the auxiliary heads.

    Of several boxes over a patch's middle the smallest counts.

    Returns:
        kinds (P,) int64, 0 for background; colours (P,) int64, 0 where there is none or none known;
        boxes (P, 4) float32, normalised to the crop that the patch is of: a tile knows nothing of
        where it is; wholes (P, 4) float32, the same in the whole image.
    """
    parts = [_crop_targets(targets, crop) for crop in grid.crops]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


class _Places:
    """Which tokens of an encoded text have characters between two places of the text."""

    def __init__(self, encoding: Encoding) -> None:
        self._starts, self._stops = zip(*encoding.offsets, strict=True)

    def between(self, span: tuple[int, int]) -> slice:
        """The tokens from the first to the last; both ends of tokens only ever grow."""
        return slice(bisect_right(self._stops, span[0]), bisect_left(self._starts, span[1]))


def _markers(grid: Grid) -> list[str]:
    """What stands before the tokens of each crop."""
    if not grid.tiled:
        return [""]
    columns, rows = grid.tiles
    places = [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]
    return [*(f"<|img_row_{row}_col_{col}|>" for row, col in places), "<|img_thumbnail|>"]


def _crop_targets(targets: Sequence[Target], crop: Crop) -> tuple[NDArray[Any], ...]:
    x, y = crop.middles().T
    origin = np.array(crop.window[:2] * 2)
    scale = np.array(crop.window[2:] * 2) - origin
    kinds = np.zeros(crop.patches, np.int64)
    colours = np.zeros_like(kinds)
    boxes, wholes = np.zeros((2, crop.patches, 4), np.float32)
    for target in sorted(targets, key=lambda target: target.area, reverse=True):
        x1, y1, x2, y2 = target.xyxy
        inside = (y > y1) & (y < y2) & (x > x1) & (x < x2)
        kinds[inside] = target.kind + 1
        colours[inside] = target.colour + 1
        boxes[inside] = np.clip((target.xyxy - origin) / scale, 0.0, 1.0)
        wholes[inside] = target.xyxy
    return kinds, colours, boxes, wholes
