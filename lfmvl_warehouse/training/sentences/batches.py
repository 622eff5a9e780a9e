# SPDX-License-Identifier: Apache-2.0
"""Batches of composed sentences as token ids."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from lfmvl_ros.models.lfm2_vl.tokenisations import CUTS, split_at
from lfmvl_warehouse.sentences.composing import Composer, Example
from lfmvl_warehouse.sentences.phrase_file import PhraseFile
from lfmvl_warehouse.sentences.typing_errors import as_typed
from lfmvl_warehouse.training.sentences.tokenizer import IM_END_ID, PAD_ID

IGNORED = -100
_ENGLISH = 2.0  # its weight among the languages


class Sentences:
    """Examples of all languages, as people type them.

    Args:
        files: the languages.
        seed: of the examples; any number or text.
    """

    def __init__(self, files: tuple[PhraseFile, ...], seed: int | str) -> None:
        self._rng = random.Random(seed)
        self._composers = [Composer(file, self._rng) for file in files]
        self._weights = [_ENGLISH if file.language == "en" else 1.0 for file in files]

    def __iter__(self) -> Iterator[Example]:
        while True:
            (composer,) = self._rng.choices(self._composers, self._weights)
            yield composer.compose()

    def typed(self, example: Example) -> str:
        """Return its sentence as somebody may type it."""
        keep = {
            value
            for call in example.calls
            for name, value in call.to_document()["arguments"].items()
            if name in ("camera", "rule") and value
        }
        return as_typed(example.sentence, example.language, keep, self._rng)


@dataclass(frozen=True)
class Batch:
    """Token ids and targets, both (sentences, longest) int64; padded on the right."""

    ids: torch.Tensor
    targets: torch.Tensor


class Encoder:
    """Turns sentences and answers into token ids.

    Args:
        tokenizer: as learned.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._before = self._ids("<|startoftext|><|im_start|>user\n")
        self._after = self._ids("<|im_end|>\n<|im_start|>assistant\n")

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, sentence: str, rng: random.Random | None = None) -> list[int]:
        """Return the ids up to where the model begins to write.

        Args:
            sentence: of a person.
            rng: where it is given, some words are cut, and each part has tokens of its own.
        """
        said = [id_ for part in _cut(sentence, rng) for id_ in self._ids(part)]
        return [*self._before, *said, *self._after]

    def batch(self, pairs: list[tuple[str, str]], rng: random.Random | None = None) -> Batch:
        """Return sentences with their answers; only answers are targets.

        Args:
            pairs: sentences and answers.
            rng: as in :meth:`prompt`.
        """
        rows, goals = [], []
        for sentence, answer in pairs:
            prompt = self.prompt(sentence, rng)
            target = [*self._ids(answer), IM_END_ID]
            rows.append([*prompt, *target])
            goals.append([*[IGNORED] * (len(prompt) - 1), *target, IGNORED])
        longest = max(map(len, rows))
        return Batch(_padded(rows, PAD_ID, longest), _padded(goals, IGNORED, longest))


def _cut(text: str, rng: random.Random | None) -> list[str]:
    """Return the parts of a text that is cut at random."""
    if rng is None:
        return [text]
    return split_at(text, [at for at in range(1, len(text)) if rng.random() < CUTS])


def _padded(rows: list[list[int]], value: int, length: int) -> torch.Tensor:
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])
