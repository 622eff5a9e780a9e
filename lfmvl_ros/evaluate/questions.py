# SPDX-License-Identifier: Apache-2.0
"""What an evaluation asks about each image: which labels together, in which language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.user_files import read_yaml
from lfmvl_ros.evaluate.data import EvaluationSet

AS_ANNOTATED = "as annotated"
"""The language of questions that use the words of the annotations."""
TOGETHER = 6
"""Labels that one question names at most, where the query is not given."""
ABSENT_EVERY = 4
"""One image in so many is also asked for what is not on it."""
_ABSENT_LABELS = 2

Words = Mapping[str, Mapping[str, str]]
"""Language -> label, as :func:`~lfmvl_ros.core.same_label.fold_label` returns it -> its word."""


@dataclass(frozen=True)
class ImageQuestion:
    """One question about one image.

    Attributes:
        image: number of the image in the set.
        labels: as they are asked for.
        kinds: the category of each label; -1 where none is annotated by that name.
        language: of the labels.
        row: of the one box that the label, a referring expression, is about; None for a question
            about all objects of its labels.
        headline: whether its answer counts in the overall figures.
        number: of the question in the evaluation; the stamp of its frame, ns, so that recorded
            replies find the question that they belong to.
    """

    image: int
    labels: tuple[str, ...]
    kinds: tuple[int, ...]
    language: str = AS_ANNOTATED
    headline: bool = True
    number: int = 0
    row: int | None = None


def questions_for(
    data: EvaluationSet,
    *,
    ask: str = "present",
    query: str | None = None,
    languages: Sequence[str] = (),
    words: Words | None = None,
    expressions: bool = False,
) -> list[ImageQuestion]:
    """Return all questions, image by image.

    Args:
        data: the images.
        ask: ``present``: the labels on the image and one that is not; ``all``: every label of the
            folder. Where an image says which labels were looked for (LVIS), no other one is asked.
        query: ask all images for these labels instead, as a robot would; None: do not.
        languages: ask again in these, with ``words``.
        words: translations.
        expressions: also ask for each referring expression; not with a query.

    Raises:
        UserError: no label of the query is annotated, or a language has no word for any label.
    """
    given = _as_kinds(query, data) if query is not None else None
    found: list[ImageQuestion] = []
    for index, image in enumerate(data.images):
        there = list(dict.fromkeys(image.kinds.tolist()))
        seen = {*there, *image.crowd_kinds.tolist()}
        if given is not None:
            found.append(ImageQuestion(index, *given))
            continue
        known = range(len(data.labels)) if image.checked is None else image.checked
        absent = _shuffled([kind for kind in known if kind not in seen], image.name)
        wanted = [*there, *absent[:1]] if ask == "present" else sorted({*there, *known})
        parts = [wanted[i : i + TOGETHER] for i in range(0, len(wanted), TOGETHER)]
        found += [_question(index, part, data) for part in parts]
        if there and absent and index % ABSENT_EVERY == 0:
            found.append(_question(index, absent[:_ABSENT_LABELS], data))
    found += _translated(found, data, languages, words or {})
    if expressions and given is None:
        found += [
            ImageQuestion(index, (text,), (int(image.kinds[row]),), headline=False, row=row)
            for index, image in enumerate(data.images)
            for row, text in image.expressions
        ]
    in_order = sorted(found, key=lambda question: question.image)
    return [replace(question, number=number) for number, question in enumerate(in_order)]


def _question(index: int, kinds: Sequence[int], data: EvaluationSet) -> ImageQuestion:
    return ImageQuestion(index, tuple(data.labels[kind] for kind in kinds), tuple(kinds))


def _as_kinds(query: str, data: EvaluationSet) -> tuple[tuple[str, ...], tuple[int, ...]]:
    labels = Query.parse(query).labels
    kinds = {fold_label(name): k for k, names in enumerate(data.names) for name in names}
    found = tuple(kinds.get(fold_label(label), -1) for label in labels)
    if not any(0 <= kind < len(data.labels) for kind in found):
        raise UserError(
            f"none of {query!r} is annotated in {data.folder.directory}; its labels are "
            f"{', '.join(data.labels)}"
        )
    return labels, found


def _translated(
    asked: Sequence[ImageQuestion], data: EvaluationSet, languages: Sequence[str], words: Words
) -> list[ImageQuestion]:
    """Ask the same again in other languages, for the labels that have a word there."""
    found = []
    for language in languages:
        there = words.get(language, {})
        names = [next((there[f] for n in names if (f := fold_label(n)) in there), "")
                 for names in data.names]  # fmt: skip
        if not any(names):
            raise UserError(
                f"there are no words in {language!r} for {', '.join(data.labels[:5])}; give a file "
                "with --translations, such as {de: {person: Person}}"
            )
        for item in asked:
            kinds = tuple(kind for kind in item.kinds if kind >= 0 and names[kind])
            labels = tuple(names[kind] for kind in kinds)
            if len({fold_label(label) for label in labels}) == len(labels) > 0:
                found.append(ImageQuestion(item.image, labels, kinds, language, headline=False))
    return found


def _shuffled(kinds: list[int], name: str) -> list[int]:
    """Return an order that depends on the image, the same in every run."""
    return sorted(kinds, key=lambda kind: hashlib.sha256(f"{name}|{kind}".encode()).digest())


def folded_words(words: Words) -> Words:
    """Return translations with their labels folded, as :func:`questions_for` takes them."""
    return {
        language: {fold_label(label): word for label, word in each.items()}
        for language, each in words.items()
    }


def read_translations(path: Path) -> Words:
    """Read a YAML or JSON file: language -> label -> its word.

    Raises:
        UserError: it can't be read, or holds something else.
    """
    # Every scalar as text: the language "no" would else be a boolean.
    document = read_yaml(path, loader=yaml.BaseLoader)
    fits = isinstance(document, dict) and all(
        isinstance(each, dict) and all(isinstance(word, str) for word in each.values())
        for each in document.values()
    )
    if not fits:
        raise UserError(
            f"{path} holds no translations; write languages with labels and their words, "
            "such as {de: {person: Person, forklift: Gabelstapler}}"
        )
    return folded_words(document)
