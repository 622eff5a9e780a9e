# SPDX-License-Identifier: Apache-2.0
"""Names in tool calls that can only come from the sentence: of rules and cameras.

Any word of the sentence may be the name. If no such rule or camera is in use, the call is refused
with the name that was meant; it must never be turned into a call about another one. So only where a
sentence says "rule" or "camera" and right beside it a name in use, that name is the only one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SIDES = ("front", "rear", "left", "right")
"""Names of cameras that a sentence may have in words of its own language."""
_KINDS = {
    "rule": r"(?:\b(?:rule|regel|regla|règle|regra)|ルール|규칙|规则|قاعدة)",
    "camera": r"(?:\b(?:[ck]amera|cámara|caméra|câm[ea]ra)|カメラ|카메라|摄像头|相机|كاميرا)",
}
"""By argument: what it is called, in the languages that the bundled model reads."""
_UNFINISHED = re.compile(r'\b(rule|camera)="([^"]*)$')
_RUN = re.compile(r"\w[\w./-]*\w|\w")
_LATIN = "A-Za-z0-9À-ɏ_"
_PLAIN_RUN = re.compile(
    rf"(?<![{_LATIN}])[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?(?![{_LATIN}])", re.ASCII
)
_BESIDE = r"[\s:«»“”\"'「」『』‘’]{0,4}"


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


def called_by_name(argument: str, sentence: str, in_use: Iterable[str]) -> str | None:
    """Return the name in use that a sentence says right beside "rule" or "camera".

    Words of a name may be said with blanks between them. None if there is no such name or more than
    one, if the sentence says "rule" more than once, or if the name is part of a longer one.

    >>> called_by_name("rule", "Watch the rule Person in aisle.", ["person_in_aisle", "spill"])
    'person_in_aisle'
    >>> called_by_name("rule", "Watch the gate rule at the door.", ["door"]) is None
    True
    """
    text = sentence.casefold()
    kind = _KINDS[argument]
    if len(re.findall(kind, text)) != 1:
        return None
    found = [name for name in in_use if _stands_beside(kind, name, text)]
    return found[0] if len(found) == 1 else None


def _stands_beside(kind: str, name: str, text: str) -> bool:
    words = [re.escape(word) for word in re.split(r"[\W_]+", name.casefold()) if word]
    if not words:
        return False
    said = rf"(?<![{_LATIN}])(?<![./-])" + r"[\s_./-]+".join(words)
    ends = rf"(?![{_LATIN}]|[./-][{_LATIN}]|\s+\d)"
    after = re.search(rf"{kind}{_BESIDE}{said}{ends}", text)
    before = len(words) > 1 and re.search(rf"{said}{_BESIDE}{kind}", text)
    return bool(after or before)


def allowed_names(argument: str, sentence: str, in_use: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the values that an argument may have for a sentence.

    Args:
        argument: ``rule`` or ``camera``.
        sentence: what was said.
        in_use: the names of rules or cameras that there are; empty where that isn't known.
    """
    name = called_by_name(argument, sentence, in_use)
    if name is not None:
        return (name,)
    return (*names_in(sentence), *(SIDES if argument == "camera" else ()))
