# SPDX-License-Identifier: Apache-2.0
"""A question and its answer as token ids, with what the loss must know of every answer token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from transformers import PreTrainedTokenizerFast

from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.training import tokenizer as layout
from lfmvl_ros.training.geometry import Grid
from lfmvl_ros.training.questions import Question, Target, answer_text

NOT_A_PAIR = -1
NO_SUBJECT = -1

# In an answer, what the model decides: whether the list is empty, each label with its closing
# quote, each number's digits, and whether another object follows. The rest is forced by JSON.
_DECISION = re.compile(r'^\[[\]{]|(?<="label": ")[^"]*"|\d+|(?<=\]\})[,\]]')


@dataclass(frozen=True)
class Example:
    """Token ids of prompt and answer.

    Attributes:
        prompt: (N,) int64, up to and including the start of the assistant's turn.
        answer: (M,) int64, the end-of-turn token last.
        decides: (M,) bool, whether the token is a decision (else it is forced by the format).
        pair: (M,) int64, 0 to 99 where the token is the second half of a coordinate below one.
        subject: (M,) int64, which object of the answer a label or a number is about.
        boxes: (K, 4) the objects of the answer, normalised.
    """

    prompt: np.ndarray
    answer: np.ndarray
    decides: np.ndarray
    pair: np.ndarray
    subject: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Encoder:
    """Turns questions into examples exactly as processor and chat template would."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._ids = lru_cache(maxsize=4096)(self._encode)
        self._pair_value = {id_: value for value, id_ in enumerate(layout.pair_ids(tokenizer))}

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def prompt(self, text: str, grid: Grid) -> np.ndarray:
        """Ids of a user turn with one image of this grid, ready for the answer."""
        ids = self._ids("<|startoftext|><|im_start|>user\n<|image_start|>")
        ids += (layout.IMAGE_ID,) * grid.tokens
        ids += self._ids(f"<|image_end|>{text}<|im_end|>\n<|im_start|>assistant\n")
        return np.array(ids, dtype=np.int64)

    def example(self, question: Question, template: PromptTemplate, grid: Grid) -> Example:
        """Encode a question asked with this template about an image of this grid."""
        prompt = self.prompt(template.text.replace("{query}", ", ".join(question.labels)), grid)
        text = answer_text(question.found, template.decimals)
        encoding = self._backend.encode(text, add_special_tokens=False)
        ids = [*encoding.ids, layout.IM_END_ID]
        spans = [match.span() for match in _DECISION.finditer(text)]
        decides = [
            any(start < stop_ and stop > start_ for start_, stop_ in spans)
            for start, stop in encoding.offsets
        ]
        pair = [NOT_A_PAIR] * len(ids)
        for place in range(2, len(encoding.ids)):
            before = text[: encoding.offsets[place][0]]
            if before.endswith("0.") and ids[place] in self._pair_value:
                pair[place] = self._pair_value[ids[place]]
        subject = [
            text.count('{"label": "', 0, stop) - 1
            if chosen and text[start] not in "[]"
            else NO_SUBJECT
            for (start, stop), chosen in zip(encoding.offsets, decides, strict=True)
        ]
        return Example(
            prompt=prompt,
            answer=np.array(ids),
            decides=np.array([*decides, True]),
            pair=np.array(pair),
            subject=np.array([*subject, NO_SUBJECT]),
            boxes=np.array([item.xyxy for item in question.found]).reshape(-1, 4),
        )


def dense_targets(targets: list[Target], grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each patch shows, for the throw-away heads.

    Of several boxes over a patch's middle the smallest counts.

    Returns:
        kinds (P,) int64, 0 for background; colours (P,) int64, 0 where there is none or none known;
        boxes (P, 4) float32.
    """
    columns = (np.arange(grid.columns) + 0.5) / grid.columns
    rows = (np.arange(grid.rows) + 0.5) / grid.rows
    kinds = np.zeros((grid.rows, grid.columns), np.int64)
    colours = np.zeros_like(kinds)
    boxes = np.zeros((grid.rows, grid.columns, 4), np.float32)

    def area(target: Target) -> float:
        x1, y1, x2, y2 = target.xyxy
        return float((x2 - x1) * (y2 - y1))

    for target in sorted(targets, key=area, reverse=True):
        x1, y1, x2, y2 = target.xyxy
        inside = ((rows > y1) & (rows < y2))[:, None] & ((columns > x1) & (columns < x2))[None]
        kinds[inside] = target.kind + 1
        colours[inside] = target.colour + 1
        boxes[inside] = target.xyxy
    return kinds.reshape(-1), colours.reshape(-1), boxes.reshape(-1, 4)
