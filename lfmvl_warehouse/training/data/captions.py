# SPDX-License-Identifier: Apache-2.0
"""A sentence about a scene, in the JSON that automation teams read: ``global_caption``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lfmvl_ros.datasets.questions import Target

CAPTION_PROMPT = 'Describe the image. Response must be JSON: {"global_caption": ...}.'
"""What a caption is asked with."""

_MOST_KINDS = 3
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight")
_EMPTY = "An empty warehouse"
_START = "A warehouse with "


@dataclass(frozen=True)
class Phrase:
    """A part of a caption, and what it is about: of several things the largest."""

    text: str
    target: Target


def describe(targets: Sequence[Target], plurals: Mapping[str, str]) -> tuple[Phrase, ...]:
    """What takes most of the image: up to three kinds, single things with their colour.

    Args:
        targets: of the scene; those too small or hidden to be asked for go unmentioned.
        plurals: plain kind -> its plural.
    """
    kinds: dict[str, list[Target]] = {}
    for target in targets:
        if target.counts:
            kinds.setdefault(target.names[0], []).append(target)
    groups = sorted(kinds.values(), key=lambda group: -sum(item.area for item in group))
    return tuple(_phrase(group, plurals) for group in groups[:_MOST_KINDS])


def sentence(phrases: Sequence[Phrase]) -> str:
    """The caption that these phrases make.

    >>> import numpy as np
    >>> def thing(kind, colour, width):
    ...     return Target((kind, f"{colour} {kind}"), 0, 0, np.array([0, 0, width, 0.5]), 1.0)
    >>> sentence(describe([thing("tote", "red", 0.2), thing("robot", "orange", 0.5)], {}))
    'A warehouse with an orange robot and a red tote'
    >>> sentence(describe([thing("shelf", "red", 0.2)] * 2, {"shelf": "shelves"}))
    'A warehouse with two shelves'
    >>> sentence([])
    'An empty warehouse'
    """
    if not phrases:
        return _EMPTY
    *first, last = (phrase.text for phrase in phrases)
    return _START + (f"{', '.join(first)} and {last}" if first else last)


def caption_text(phrases: Sequence[Phrase]) -> str:
    """The answer as the model must write it."""
    return json.dumps({"global_caption": sentence(phrases)})


def phrases_of(answer: str) -> list[str] | None:
    """Return the objects that a caption names, phrase by phrase; None if it has another form.

    >>> phrases_of('{"global_caption": "A warehouse with two totes, a robot and a person in red"}')
    ['two totes', 'a robot', 'a person in red']
    >>> phrases_of('{"global_caption": "An empty warehouse"}')
    []
    """
    try:
        caption = json.loads(answer)["global_caption"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(caption, str) or not caption.startswith((_START, _EMPTY)):
        return None
    rest = caption.removeprefix(_START)
    return [] if rest.startswith(_EMPTY) else re.split(r", | and ", rest)


def _phrase(group: Sequence[Target], plurals: Mapping[str, str]) -> Phrase:
    kind, largest = group[0].names[0], max(group, key=lambda item: item.area)
    if len(group) == 1:
        name = largest.names[1] if len(largest.names) > 1 else kind
        return Phrase(f"{'an' if name[0] in 'aeiou' else 'a'} {name}", largest)
    number = _NUMBERS[len(group) - 2] if len(group) - 2 < len(_NUMBERS) else "many"
    return Phrase(f"{number} {plurals.get(kind, kind + 's')}", largest)
