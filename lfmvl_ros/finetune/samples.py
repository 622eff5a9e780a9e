# SPDX-License-Identifier: Apache-2.0
"""The endless stream of training samples, as a pure function of seed and number.

Nothing has to be saved for a resumed run to see the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.datasets.questions import LabelledImage, Question, Vocabulary, ask, find
from lfmvl_ros.finetune.data import TrainingData
from lfmvl_ros.finetune.images import TrainingImages

_EVERYTHING_SHARE = 0.3  # of the other questions: all names at once, as a robot asks
_MOST_NAMES = 8
_FIRST_PHRASING_SHARE = 0.8
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Asking:
    """A question, rendered with a prompt template."""

    template: PromptTemplate
    question: Question


@dataclass(frozen=True)
class TrainingSample:
    """An image and the questions about it.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        askings: at least one.
    """

    pixels: NDArray[Any]
    askings: tuple[Asking, ...]


class Order:
    """Which image comes when: each folder's images in a new order each time, in steady shares."""

    def __init__(self, data: TrainingData, seed: int) -> None:
        self._seed, self._ends = seed, np.cumsum(data.shares)
        self._sizes = [len(part.folder.training) for part in data.parts]
        self._used = [0] * len(self._sizes)
        self._known: list[tuple[int, int]] = []

    def __getitem__(self, number: int) -> tuple[int, int]:
        """Return the folder and the image in it for a sample of this number."""
        while len(self._known) <= number:
            # Multiples of the golden ratio spread evenly: no folder waits long for its turn.
            place = (len(self._known) + 1) * _GOLDEN % 1.0
            folder = min(int(np.searchsorted(self._ends, place, "right")), len(self._sizes) - 1)
            self._known.append((folder, self._used[folder]))
            self._used[folder] += 1
        folder, use = self._known[number]
        turn, place_in_turn = divmod(use, self._sizes[folder])
        order = np.random.default_rng([self._seed, 1, folder, turn]).permutation(
            self._sizes[folder]
        )
        return folder, int(order[place_in_turn])


class SampleStream:
    """Samples by number.

    Args:
        data: the folders.
        templates: prompt templates; the first is used for four questions of five.
        questions: about each image.
        negatives: share of questions about absent things only.
        most_objects: in an answer.
        seed: of everything random.
    """

    def __init__(
        self,
        data: TrainingData,
        templates: tuple[PromptTemplate, ...],
        *,
        questions: int,
        negatives: float,
        most_objects: int,
        seed: int,
    ) -> None:
        self._data, self._templates = data, templates
        self._questions, self._negatives = questions, negatives
        self._most, self._seed = most_objects, seed
        self._order = Order(data, seed)
        self._sources = [TrainingImages(part.folder) for part in data.parts]

    def sample(self, number: int) -> TrainingSample:
        """Return a sample; the same number gives the same one.

        Raises:
            UserError: an image is no longer what it was.
        """
        folder, place = self._order[number]
        source = self._sources[folder]
        rng = np.random.default_rng([self._seed, 2, number])
        picture = self._data.parts[folder].folder.training[place]
        scene = source.varied(rng, picture, lacking=rng.random() < self._negatives)
        askings = tuple(
            Asking(self._template(rng), self._question(rng, source, scene))
            for _ in range(self._questions)
        )
        return TrainingSample(np.ascontiguousarray(scene.pixels), askings)

    def _template(self, rng: np.random.Generator) -> PromptTemplate:
        if len(self._templates) == 1 or rng.random() < _FIRST_PHRASING_SHARE:
            return self._templates[0]
        return self._templates[1 + int(rng.integers(len(self._templates) - 1))]

    def _question(
        self, rng: np.random.Generator, source: TrainingImages, scene: LabelledImage
    ) -> Question:
        absent, words = source.absent(scene), source.words(scene)
        if absent and rng.random() < self._negatives:
            return about_absent(rng, absent, words)
        if rng.random() < _EVERYTHING_SHARE:
            names = [str(name) for name in rng.permutation(words.kinds)[:_MOST_NAMES]]
            question = find(names, scene.targets)
            if len(question.found) <= self._most:
                return question
        return ask(rng, scene.targets, words, max_objects=self._most)


def about_absent(rng: np.random.Generator, absent: list[int], vocabulary: Vocabulary) -> Question:
    """Return a question about one to three things that are not in the image."""
    count = min(len(absent), 1 + int(rng.choice(3, p=(0.6, 0.25, 0.15))))
    kinds = rng.choice(absent, count, replace=False)
    labels = []
    for kind in kinds:
        names = vocabulary.names[int(kind)]
        labels.append(names[0] if rng.random() < 0.7 else names[int(rng.integers(len(names)))])
    return Question(tuple(labels), ())
