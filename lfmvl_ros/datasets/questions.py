# SPDX-License-Identifier: Apache-2.0
"""What to ask about a scene, and the answer that is right.

A question names one to six things: plain kinds, kinds with a colour, other words for a kind,
attributes, and things that are not there. The answer lists what matches, from left to right, with
the label as it was asked. Some questions come in another language and get the answer in that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_VISIBILITY = 0.25
MIN_AREA = 0.004
"""Objects less visible, or covering less of the image, are neither asked for nor counted."""

FOUND_IOU = 0.5
"""A box of an answer is right if its IoU with an expected object of its label is at least this."""
UNCOUNTED_IOU = 0.4
"""A wrong box is not counted if its IoU with an object that is not expected is at least this."""

_LABEL_COUNTS = (0.22, 0.20, 0.18, 0.16, 0.14, 0.10)  # questions with 1, 2, ... 6 labels
_ABSENT_SHARE = 0.18
_NOTHING_SHARE = 0.15  # questions whose right answer is the empty list, whatever the scene
_LANGUAGE_SHARE = 0.22  # questions in another language, where a vocabulary has some
_MIXED_SHARE = 0.35  # of these, questions whose labels come in several languages
_MIXED_ENGLISH = 0.4  # share of their labels that are English
_STYLE_SHARES = {"kind": 0.55, "colour": 0.27, "alias": 0.08, "other": 0.10}


@dataclass(frozen=True)
class Target:
    """One object of a scene as training needs it.

    Attributes:
        names: every name a question may use for it; the plain kind first.
        kind: index of the kind.
        colour: index of the colour, or -1 where it is not known.
        xyxy: (4,) visible box, normalised to [0, 1].
        visibility: visible share of the object, 0 to 1.
        translations: what it is called in other languages.
    """

    names: tuple[str, ...]
    kind: int
    colour: int
    xyxy: NDArray[Any]
    visibility: float
    translations: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it is visible and large enough to be expected in an answer."""
        return self.visibility >= MIN_VISIBILITY and self.area >= MIN_AREA

    @property
    def area(self) -> float:
        """Share of the image that its visible box covers."""
        x1, y1, x2, y2 = self.xyxy
        return float((x2 - x1) * (y2 - y1))

    def is_called(self, label: str) -> bool:
        """Whether a question may mean it with this label."""
        return label in self.names or label in self.translations

    def mirrored(self) -> Target:
        """The same object in the image flipped left to right."""
        x1, y1, x2, y2 = self.xyxy
        box = np.array([1 - x2, y1, 1 - x1, y2])
        return replace(self, xyxy=box)


def kinds_shown(targets: Sequence[Target]) -> list[str]:
    """Plain kinds of what is expected in an answer about everything, each once."""
    return list(dict.fromkeys(target.names[0] for target in targets if target.counts))


@dataclass(frozen=True)
class Vocabulary:
    """The words of a scene source: kinds, colours, and all names of each kind.

    Attributes:
        kinds: plain kinds; a target's ``kind`` is an index into it.
        colours: colour words; a target's ``colour`` is an index into it.
        names: for each kind every name an object of it may have, in any colour.
        languages: language -> plain kind -> what it is called there.
        plurals: plain kind -> its plural; only scenes whose vocabulary has plurals are described.
    """

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    languages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    plurals: Mapping[str, str] = field(default_factory=dict)

    def kind_of(self, name: str) -> int:
        """Return the index of the kind that a name stands for."""
        return next(index for index, names in enumerate(self.names) if name in names)


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is in it.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        targets: everything that is known, also what is too small or hidden to be asked for.
        may_mirror: whether it may be shown mirrored.
        words: what may be asked about it, where that is less than the source's vocabulary; the
            kinds of its targets are then those of these words.
    """

    pixels: NDArray[Any]
    targets: tuple[Target, ...]
    may_mirror: bool = True
    words: Vocabulary | None = None


@dataclass(frozen=True)
class AnswerObject:
    """One object of an answer: the label as it was asked, and the object."""

    label: str
    target: Target

    @property
    def xyxy(self) -> NDArray[Any]:
        """(4,) visible box, normalised."""
        return self.target.xyxy


@dataclass(frozen=True)
class Question:
    """Labels asked for, and the objects of the right answer from left to right."""

    labels: tuple[str, ...]
    found: tuple[AnswerObject, ...]


@dataclass(frozen=True)
class Asked:
    """An image that was not trained on, and the question put to it."""

    scene: LabelledImage
    question: Question


@dataclass(frozen=True)
class QuestionSet:
    """Questions with known answers, each about an image of its own.

    Attributes:
        name: what they are for.
        questions: generated one by one: the images of thousands of scenes are not kept.
        total: how many there are.
    """

    name: str
    questions: Iterable[Asked]
    total: int


def answer_text(found: Sequence[AnswerObject], decimals: int = 2) -> str:
    """The answer as the model must write it.

    >>> tote = Target(("tote", "red tote"), 1, 0, np.array([0.371, 0.0, 0.8, 0.994]), 1.0)
    >>> answer_text([AnswerObject("red tote", tote)])
    '[{"label": "red tote", "bbox": [0.37, 0.00, 0.80, 0.99]}]'
    """
    objects = (
        f'{{"label": {json.dumps(item.label, ensure_ascii=False)}, "bbox": ['
        + ", ".join(f"{min(max(value, 0.0), 1.0):.{decimals}f}" for value in item.xyxy)
        + "]}"
        for item in found
    )
    return f"[{', '.join(objects)}]"


def reading_order(found: Sequence[AnswerObject], decimals: int = 2) -> tuple[AnswerObject, ...]:
    """Sorted by the printed left edge, then by the top edge."""

    def place(item: AnswerObject) -> tuple[float, float]:
        return round(float(item.xyxy[0]), decimals), float(item.xyxy[1])

    return tuple(sorted(found, key=place))


def find(labels: Sequence[str], targets: Sequence[Target]) -> Question:
    """The right answer to these labels; an object that two labels fit goes to the longer one."""
    found = []
    for target in targets:
        fitting = [label for label in labels if target.is_called(label)]
        if fitting and target.counts:
            found.append(AnswerObject(max(fitting, key=len), target))
    return Question(tuple(labels), reading_order(found))


def _pick_name(rng: np.random.Generator, names: Sequence[str], colours: Sequence[str]) -> str:
    """One of an object's names: mostly the kind, often with a colour, sometimes another word."""
    groups: dict[str, list[str]] = {"kind": [names[0]], "colour": [], "alias": [], "other": []}
    for name in names[1:]:
        words = set(name.split())
        coloured = bool(words & set(colours))
        if coloured:
            groups["colour" if names[0] in name else "other"].append(name)
        else:
            groups["alias" if len(words) == 1 else "other"].append(name)
    filled = [style for style, members in groups.items() if members]
    shares = np.array([_STYLE_SHARES[style] for style in filled])
    style = filled[int(rng.choice(len(filled), p=shares / shares.sum()))]
    members = groups[style]
    return members[int(rng.integers(len(members)))]


def ask(
    rng: np.random.Generator,
    targets: Sequence[Target],
    vocabulary: Vocabulary,
    *,
    max_objects: int = 8,
) -> Question:
    """Return a random question about a scene whose answer has at most ``max_objects`` objects.

    Two labels of a question never fit the same object by accident: a kind is asked for once,
    or by different colours.
    """
    if rng.random() < _NOTHING_SHARE:
        labels = _absent_names(rng, targets, vocabulary)
    else:
        labels = _labels(rng, targets, vocabulary, max_objects)
    if vocabulary.languages and rng.random() < _LANGUAGE_SHARE:
        if rng.random() < _MIXED_SHARE:
            labels_elsewhere = _mixed(rng, labels, vocabulary)
        else:
            labels_elsewhere = translated(labels, _any_language(rng, vocabulary), vocabulary)
        question = find(labels_elsewhere, targets)
        if len(question.found) <= max_objects:
            return question
    return find(labels, targets)


def any_question(
    rng: np.random.Generator,
    targets: Sequence[Target],
    vocabulary: Vocabulary,
    *,
    max_objects: int = 8,
) -> Question:
    """Return a question for an evaluation: often about all kinds in the scene, else about any."""
    if rng.random() < 0.4:
        kinds = kinds_shown(targets)[:6]
        return find(kinds or [vocabulary.kinds[0]], targets)
    return ask(rng, targets, vocabulary, max_objects=max_objects)


def translated(labels: Sequence[str], language: str, vocabulary: Vocabulary) -> list[str]:
    """Return the names of the labels' kinds in another language, each once."""
    words = vocabulary.languages[language]
    kinds = (vocabulary.kinds[vocabulary.kind_of(label)] for label in labels)
    return list(dict.fromkeys(words[kind] for kind in kinds))


def _any_language(rng: np.random.Generator, vocabulary: Vocabulary) -> str:
    return list(vocabulary.languages)[int(rng.integers(len(vocabulary.languages)))]


def _mixed(rng: np.random.Generator, labels: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Labels of several languages, some left in English; of each kind only the first."""
    firsts: dict[int, str] = {}
    for label in labels:
        firsts.setdefault(vocabulary.kind_of(label), label)
    return [
        label
        if rng.random() < _MIXED_ENGLISH
        else translated([label], _any_language(rng, vocabulary), vocabulary)[0]
        for label in firsts.values()
    ]


def _labels(
    rng: np.random.Generator, targets: Sequence[Target], vocabulary: Vocabulary, max_objects: int
) -> list[str]:
    """One to six labels that at most ``max_objects`` objects fit, in any order."""
    count = 1 + int(rng.choice(len(_LABEL_COUNTS), p=_LABEL_COUNTS))
    visible = [target for target in targets if target.counts]
    labels: list[str] = []
    for _ in range(count):
        if visible and rng.random() >= _ABSENT_SHARE:
            names = visible[int(rng.integers(len(visible)))].names
        else:
            names = vocabulary.names[int(rng.integers(len(vocabulary.names)))]
            if rng.random() < 0.5 and visible:  # the wrong colour of something that is there
                names = vocabulary.names[visible[int(rng.integers(len(visible)))].kind]
        label = _pick_name(rng, names, vocabulary.colours)
        if _clashes(label, labels, vocabulary):
            continue
        if len(find([*labels, label], targets).found) <= max_objects:
            labels.append(label)
    if not labels:  # every try clashed or was too full: ask for one thing that can't be many
        fewest = min(vocabulary.kinds, key=lambda kind: sum(kind in t.names for t in visible))
        labels = [fewest]
    order = rng.permutation(len(labels))
    return [labels[index] for index in order]


def _absent_names(
    rng: np.random.Generator, targets: Sequence[Target], vocabulary: Vocabulary
) -> list[str]:
    """One to three names that fit nothing in the scene, also nothing small or hidden."""
    there = {name for target in targets for name in target.names}
    count = 1 + int(rng.choice(3, p=(0.7, 0.2, 0.1)))
    names: list[str] = []
    for _ in range(20):
        kind = int(rng.integers(len(vocabulary.kinds)))
        name = _pick_name(rng, vocabulary.names[kind], vocabulary.colours)
        if name not in there and not _clashes(name, names, vocabulary):
            names.append(name)
        if len(names) == count:
            break
    return names or [vocabulary.kinds[0]]


def _clashes(label: str, others: Sequence[str], vocabulary: Vocabulary) -> bool:
    kind, coloured = vocabulary.kind_of(label), bool(set(label.split()) & set(vocabulary.colours))
    for other in others:
        if vocabulary.kind_of(other) != kind:
            continue
        other_coloured = bool(set(other.split()) & set(vocabulary.colours))
        if label == other or not (coloured and other_coloured):
            return True
    return False
