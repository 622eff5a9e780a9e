# SPDX-License-Identifier: Apache-2.0
"""Fills the slots of a template, and notes what was put in."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from lfmvl_warehouse.sentences.names import camera_name, identifier, rule_name
from lfmvl_warehouse.sentences.objects import Named, Objects
from lfmvl_warehouse.sentences.phrase_file import AROUND, SLOT, UNWANTED, PhraseFile
from lfmvl_warehouse.sentences.surroundings import Surroundings

_LIST_LENGTHS, _LIST_SHARES = (2, 3, 4, 5), (4, 4, 4, 1)
_ALIKE = 0.12  # share of lists whose objects differ by colour alone
_SAID = 0.4  # share of small numbers that are words
_COMMAS = {"ja": "、", "zh": "、", "ar": "، "}


@dataclass
class Filled:
    """A template's text and what its slots mean.

    Attributes:
        text: the sentence.
        labels: of the objects in it, "" for one without a label; unwanted ones are left out.
        seconds: of a time limit; 0 without.
        camera, rule, id: as named.
    """

    text: str = ""
    labels: tuple[str, ...] = ()
    seconds: float = 0.0
    camera: str = ""
    rule: str = ""
    id: int = 0

    @property
    def label(self) -> str:
        """The first of the labels."""
        return self.labels[0]


class Filler:
    """Fills templates of one language.

    Args:
        file: the language.
        rng: source of chance.
    """

    def __init__(self, file: PhraseFile, rng: random.Random) -> None:
        self._file, self._rng = file, rng
        self._objects = Objects(file, rng)
        self._surroundings = Surroundings(file, rng)
        nouns = (*file.unknown, *(noun for words in file.nouns.values() for noun in words))
        self._words = tuple(filter(None, (identifier(noun.one) for noun in nouns)))

    def fill(
        self,
        template: str,
        *,
        camera: bool = False,
        time: float = 0.0,
        place: bool = False,
        unknown: float = 0.0,
        plain: bool = False,
        around: bool = True,
    ) -> Filled:
        """Return a template with its slots filled.

        Args:
            template: with slots.
            camera: whether a camera may be named.
            time: probability of a time limit, where there is a slot for it.
            place: whether a place may be named.
            unknown: probability of an object without a label.
            plain: objects have no colour.
            around: whether something that changes nothing may stand before and after it.
        """
        filled, rng = Filled(), self._rng
        strange = rng.random() < unknown
        timed = rng.random() < time
        if around:
            template = self._surroundings.put(template, camera=camera, time=timed)
        chances = {
            "camera": 0.4 if camera else 0.0,
            "time": 1.0 if timed else 0.0,
            "place": 0.35 if place else 0.0,
            "please": 0.5,
        }

        def text_of(match: re.Match[str]) -> str:
            slot = match[1]
            if slot in AROUND:
                return self._optional(slot, filled)
            if slot in chances:
                return self._optional(slot, filled) if rng.random() < chances[slot] else ""
            if slot in ("id", "rule"):
                return self._name(slot, filled)
            if slot == "list":
                return self._list(filled, strange)
            if slot.startswith(UNWANTED):
                return self._object(slot.removeprefix(UNWANTED), False, plain, filled).text
            named = self._object(slot, strange, plain, filled)
            filled.labels = (*filled.labels, named.label)
            return named.text

        filled.text = self._file.repaired(SLOT.sub(text_of, template))
        return filled

    def _optional(self, slot: str, filled: Filled) -> str:
        if slot.startswith("camera"):
            return self._camera(slot, filled)
        return self._time(slot, filled) if slot.startswith("time") else self._choice(slot)

    def _name(self, slot: str, filled: Filled) -> str:
        if slot == "id":
            filled.id = _number(self._rng)
            words = self._file.fillers["numbers"]
            said = filled.id <= len(words) and self._rng.random() < _SAID
            return words[filled.id - 1] if said else str(filled.id)
        filled.rule = rule_name(self._rng, self._words)
        return filled.rule

    def _object(self, slot: str, strange: bool, plain: bool, filled: Filled, of: str = "") -> Named:
        for _ in range(10):
            if strange:
                named = self._objects.unknown(slot)
            else:
                named = self._objects.known(slot, plain=plain, of=of)
            if named.label == "" or named.label not in filled.labels:
                break
        return named

    def _list(self, filled: Filled, strange: bool) -> str:
        rng = self._rng
        (count,) = rng.choices(_LIST_LENGTHS, _LIST_SHARES)
        slot = rng.choice(("many", "many", "a"))
        odd = rng.randrange(count) if strange else -1
        of = self._objects.any_label() if rng.random() < _ALIKE else ""
        texts = []
        for index in range(count):
            named = self._object(slot, index == odd, False, filled, of)
            filled.labels = (*filled.labels, named.label)
            texts.append(named.text)
        comma = _COMMAS.get(self._file.language, ", ")
        return comma.join(texts[:-1]) + rng.choice(self._file.joins) + texts[-1]

    def _camera(self, slot: str, filled: Filled) -> str:
        text, _, name = (part.strip() for part in self._choice(slot).partition("="))
        filled.camera = name or camera_name(self._rng, self._words)
        return text.replace("{c}", filled.camera)

    def _time(self, slot: str, filled: Filled) -> str:
        text, _, value = (part.strip() for part in self._choice(slot).partition("="))
        if value:
            filled.seconds = float(value)
            return text
        seconds, minutes = _seconds(self._rng), _minutes(self._rng)
        filled.seconds = 60.0 * minutes if "{m}" in text else float(seconds)
        return text.replace("{s}", str(seconds)).replace("{m}", str(minutes))

    def _choice(self, slot: str) -> str:
        return self._rng.choice(self._file.fillers[slot])


def _number(rng: random.Random) -> int:
    """Return the id of a track, small ones more often."""
    return rng.randint(1, rng.choice((9, 20, 99, 99, 500, 5000)))


def _seconds(rng: random.Random) -> int:
    if rng.random() < 0.5:
        return rng.choice((2, 5, 8, 10, 12, 15, 20, 25, 30, 40, 45, 60, 90, 100, 120, 180, 300))
    return rng.randint(2, rng.choice((20, 99, 600)))


def _minutes(rng: random.Random) -> int:
    return rng.choice((2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 12, 15, 20, 30))
