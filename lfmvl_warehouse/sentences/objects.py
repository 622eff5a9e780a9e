# SPDX-License-Identifier: Apache-2.0
"""Objects as a sentence names them, and the labels that they mean."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lfmvl_warehouse.scenes.vocabulary import COLOURS
from lfmvl_warehouse.sentences.names import made_up
from lfmvl_warehouse.sentences.phrase_file import (
    IN_COLOUR,
    PEOPLE,
    Noun,
    PhraseFile,
    is_plural,
)

_COLOURED, _ATTRIBUTED = 0.42, 0.2
_WRONG, _MADE_UP = 0.3, 0.25  # of those without a label: of a wrong property, of made-up words


@dataclass(frozen=True)
class Named:
    """A noun phrase, and its label; "" for an object without one."""

    text: str
    label: str


def in_colour(label: str, colour: str) -> str:
    """Return the label with a colour, as queries have it.

    >>> in_colour("tote", "red"), in_colour("person", "red"), in_colour("tote", "")
    ('red tote', 'person in red', 'tote')
    """
    if not colour:
        return label
    return f"{label} in {colour}" if label in PEOPLE else f"{colour} {label}"


class Objects:
    """Draws noun phrases of a language.

    Args:
        file: the language.
        rng: source of chance.
    """

    def __init__(self, file: PhraseFile, rng: random.Random) -> None:
        self._file, self._rng = file, rng
        self._labels, self._attributed = tuple(file.nouns), tuple(file.attributed)
        self._colours = ("", *COLOURS)

    def any_label(self) -> str:
        """Return a label without colour and attribute."""
        return self._rng.choice(self._labels)

    def known(self, slot: str, *, plain: bool = False, of: str = "") -> Named:
        """Return an object with a label.

        Args:
            slot: of the noun phrase.
            plain: without colour and attribute.
            of: its label without the colour that it has then; "": any label.
        """
        rng = self._rng
        if not plain and not of and rng.random() < _ATTRIBUTED:
            return self._with_attribute(slot)
        label = of or self.any_label()
        coloured = of or (not plain and rng.random() < _COLOURED)
        colour = rng.choice(COLOURS) if coloured else ""
        noun = rng.choice(self._file.nouns[label])
        pattern = rng.choice(self._file.phrases[slot][noun.class_])
        colour = colour if "{C" in pattern else ""
        return Named(self._filled(pattern, slot, noun, colour), in_colour(label, colour))

    def unknown(self, slot: str) -> Named:
        """Return an object without a label, or with a property that labels can't have."""
        rng, file = self._rng, self._file
        chance = rng.random()
        if chance < _WRONG:
            return Named(rng.choice(file.wrong_property), "")
        noun = rng.choice(file.unknown)
        if chance < _WRONG + _MADE_UP:
            word = made_up(rng, file.language)
            noun = Noun(word, word if file.language not in ("en", "fr", "es", "pt") else f"{word}s",
                        noun.class_)  # fmt: skip
        colour = rng.choice(COLOURS) if rng.random() < 0.25 else ""
        pattern = rng.choice(file.phrases[slot][noun.class_])
        return Named(self._filled(pattern, slot, noun, colour), "")

    def _filled(self, pattern: str, slot: str, noun: Noun, colour: str) -> str:
        word = noun.many if is_plural(slot) else noun.one
        return self._file.coloured(pattern, colour).replace("{N}", word)

    def _with_attribute(self, slot: str) -> Named:
        key, colour = self._rng.choice(self._attributed), ""
        label = key
        if key == IN_COLOUR:
            colour = self._rng.choice(COLOURS)
            label = in_colour("person", colour)
        form = self._rng.choice(self._file.attributed[key][slot])
        return Named(self._file.coloured(form, colour), label)
