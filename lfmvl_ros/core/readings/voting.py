# SPDX-License-Identifier: Apache-2.0
"""What several readings of one object say together.

Each line is voted on separately, as a whole string: two wrong readings seldom have the same error,
but the right text comes again. Repeated readings of one object are not independent evidence: a
camera that stands still repeats its errors. So each further reading that agrees counts a third as
much as the one before it, and readings that disagree lower the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lfmvl_ros.core.readings.lookalikes import AMBIGUOUS_CONFIDENCE, has_lookalikes, is_broken_off
from lfmvl_ros.core.readings.reading import CropReading, ReadLine, text_key

_WEIGHT = 1 / 3  # of each further reading that agrees, of the one before
_ONCE = 0.89  # highest confidence of what was read in one crop only: a letter may be missing
_SAME_LINE = 0.5  # similarity from which two readings are of one line
_SEEN_SHARE = 0.5  # of the readings: what fewer have seen is not on the object


@dataclass(frozen=True)
class Vote:
    """The lines that readings agree upon.

    Attributes:
        lines: each with its most frequent spelling and its confidence, in reading order.
        agreeing: indices of the readings that have all of these lines.
    """

    lines: tuple[ReadLine, ...]
    agreeing: tuple[int, ...]

    @property
    def text(self) -> str:
        """The lines, with a space between."""
        return " ".join(line.text for line in self.lines)

    @property
    def confidence(self) -> float:
        """Of the least certain line; 0 without any."""
        return min((line.confidence for line in self.lines), default=0.0)


@dataclass(frozen=True)
class _Sighting:
    """A line of one reading: ``order`` is its place among the reading's lines."""

    reading: int
    order: int
    line: ReadLine
    key: str


def vote(readings: Sequence[CropReading]) -> Vote:
    """Return what readings of one object say together.

    Args:
        readings: of crops, oldest first.
    """
    slots: list[list[_Sighting]] = []
    for index, reading in enumerate(readings):
        free = list(range(len(slots)))
        for order, line in enumerate(reading.lines):
            item = _Sighting(index, order, line, text_key(line.text))
            if not item.key:
                continue
            slot = _nearest(item.key, slots, free)
            if slot is None:
                slots.append([item])
            else:
                free.remove(slot)
                slots[slot].append(item)
    needed = max(1.0, _SEEN_SHARE * sum(bool(reading.lines) for reading in readings))
    kept = [slot for slot in slots if len(slot) >= needed]
    kept.sort(key=lambda slot: sum(item.order for item in slot) / len(slot))
    decided = [_decided(slot) for slot in kept]
    agreeing = set(range(len(readings))) if decided else set()
    for _, indices in decided:
        agreeing &= indices
    return Vote(tuple(line for line, _ in decided), tuple(sorted(agreeing)))


def _nearest(key: str, slots: Sequence[Sequence[_Sighting]], free: Sequence[int]) -> int | None:
    """Return the slot whose readings are most similar to a text; None where none is."""
    best, found = _SAME_LINE, None
    for slot in free:
        for other in {item.key for item in slots[slot]}:
            alike = similarity(key, other)
            if alike > best or (alike == best and found is None):
                best, found = alike, slot
    return found


def similarity(one: str, other: str) -> float:
    """Return how similar two texts are, 0 to 1; 1 also where one is a part of the other.

    >>> similarity("LOT7", "LOT7B2"), similarity("AB", "xy")
    (1.0, 0.0)
    """
    if one in other or other in one:
        return 1.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _decided(slot: Sequence[_Sighting]) -> tuple[ReadLine, set[int]]:
    """Return the text of a slot with the most support, and which readings have it."""
    by_key: dict[str, list[_Sighting]] = {}
    for item in slot:
        by_key.setdefault(item.key, []).append(item)
    support = {
        key: supported([item.line.confidence for item in items]) for key, items in by_key.items()
    }
    key = max(support, key=lambda name: (support[name], len(by_key[name]), name))
    total = sum(value**2 for value in support.values())
    confidence = support[key] ** 3 / total if total else 0.0
    spelt = max(by_key[key], key=lambda item: (item.line.confidence, item.line.text))
    limits = sorted((item.line.limit for item in by_key[key]), reverse=True)
    most = limits[1] if len(limits) > 1 else min(limits[0], _ONCE)  # as in the second best view
    if has_lookalikes(spelt.line.text) or is_broken_off(spelt.line.text):
        most = min(most, AMBIGUOUS_CONFIDENCE)
    return ReadLine(spelt.line.text, min(confidence, most)), {item.reading for item in by_key[key]}


def supported(confidences: Sequence[float]) -> float:
    """Return how probable a text is that was read with these confidences, without disagreement.

    >>> round(supported([0.5]), 3), supported([0.5] * 99) < 0.65
    (0.5, True)
    """
    wrong, weight = 1.0, 1.0
    for confidence in sorted(confidences, reverse=True):
        wrong *= (1.0 - confidence) ** weight
        weight *= _WEIGHT
    return 1.0 - wrong
