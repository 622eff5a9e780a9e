# SPDX-License-Identifier: Apache-2.0
"""Names in tool calls that can only come from the sentence: of rules and cameras.

Where a sentence says names that are in use, only they can be meant. Where it says none of them, any
of its words can be: the call is refused then, with the name that it was about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SIDES = ("front", "rear", "left", "right")
"""Names of cameras that a sentence may have in words of its own language."""
_UNFINISHED = re.compile(r'\b(rule|camera)="([^"]*)$')
_RUN = re.compile(r"\w[\w./-]*\w|\w")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LATIN = "A-Za-z0-9À-ɏ_"
_PLAIN_RUN = re.compile(
    rf"(?<![{_LATIN}])[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?(?![{_LATIN}])", re.ASCII
)


def names_in(sentence: str) -> tuple[str, ...]:
    """Return what may be a name in a sentence, each once.

    Where a language writes without spaces, names in Latin letters are found within its words.

    >>> names_in("Watch zone_4, then bay-2.")
    ('Watch', 'zone_4', 'then', 'bay-2')
    >>> names_in("rule door_2を見て")
    ('rule', 'door_2を見て', 'door_2')
    """
    found = dict.fromkeys(
        text
        for run in _RUN.findall(sentence)
        for text in (run, *_PLAIN_RUN.findall(run))
    )  # fmt: skip
    return tuple(found)


def unfinished_name(text: str) -> tuple[str, str] | None:
    """Return the argument and what a model has written of its value, or None.

    >>> unfinished_name('[watch(rule="zo')
    ('rule', 'zo')
    >>> unfinished_name('[watch(rule="zone_4", ') is None
    True
    """
    match = _UNFINISHED.search(text)
    return (match[1], match[2]) if match else None


def spoken_names(known: Iterable[str], sentence: str) -> tuple[str, ...]:
    """Return the names in use that a sentence says, also with blanks for ``_``, ``-`` and the like.

    Names in Chinese, Japanese or Korean are found within words.

    >>> spoken_names(["person_in_aisle", "spill"], "Watch the rule Person in aisle.")
    ('person_in_aisle',)
    """
    runs = {run.casefold() for run in names_in(sentence)}
    words = f" {_words(sentence)} "
    return tuple(
        name
        for name in known
        if name.casefold() in runs
        or (_words(name) and f" {_words(name)} " in words)
        or (_EAST_ASIAN.search(name) and name in sentence)
    )


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def allowed_names(argument: str, sentence: str, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the values that an argument may have for a sentence.

    Args:
        argument: ``rule`` or ``camera``.
        sentence: what was said.
        known: the names that are in use; empty where that isn't known.
    """
    spoken = spoken_names(known, sentence)
    if spoken:
        return spoken
    return (*names_in(sentence), *(SIDES if argument == "camera" else ()))
