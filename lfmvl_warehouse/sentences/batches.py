# SPDX-License-Identifier: Apache-2.0
"""Batches of composed sentences as token ids."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from lfmvl_warehouse.sentences.composing import Composer, Example
from lfmvl_warehouse.sentences.phrase_file import PhraseFile
from lfmvl_warehouse.sentences.tokenizer import IM_END_ID, PAD_ID
from lfmvl_warehouse.sentences.typing_errors import as_typed

IGNORED = -100
_ENGLISH = 2.0  # its weight among the languages
_DROPOUT = 0.08  # share of merges left out of a sentence, so that words are seen in other pieces


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
        self._plain = tokenizer
        document = json.loads(tokenizer.to_str())
        document["model"]["dropout"] = _DROPOUT
        self._dropping = Tokenizer.from_str(json.dumps(document))
        self._before = self._ids("<|startoftext|><|im_start|>user\n")
        self._after = self._ids("<|im_end|>\n<|im_start|>assistant\n")

    def _ids(self, text: str) -> list[int]:
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def prompt(self, sentence: str, *, dropping: bool = False) -> list[int]:
        """Return the ids up to where the model begins to write."""
        tokenizer = self._dropping if dropping else self._plain
        said = tokenizer.encode(sentence, add_special_tokens=False).ids
        return [*self._before, *said, *self._after]

    def batch(self, pairs: list[tuple[str, str]], *, dropping: bool = False) -> Batch:
        """Return sentences with their answers; only answers are targets."""
        rows, goals = [], []
        for sentence, answer in pairs:
            prompt = self.prompt(sentence, dropping=dropping)
            target = [*self._ids(answer), IM_END_ID]
            rows.append([*prompt, *target])
            goals.append([*[IGNORED] * (len(prompt) - 1), *target, IGNORED])
        longest = max(map(len, rows))
        return Batch(_padded(rows, PAD_ID, longest), _padded(goals, IGNORED, longest))


def _padded(rows: list[list[int]], value: int, length: int) -> torch.Tensor:
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])
