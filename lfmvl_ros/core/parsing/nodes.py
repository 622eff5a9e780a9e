# SPDX-License-Identifier: Apache-2.0
"""The scanner's result: JSON-like values with their positions in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lfmvl_ros.core.safe_text import well_formed

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(slots=True)
class Scalar:
    """A string, number or bare word: ``text[start:end]``, quotes not included.

    ``terminated`` is False when the text ended before it did, or may have: a number that touches
    the end of the text could have had more digits.
    """

    kind: str
    start: int
    end: int
    terminated: bool = True


@dataclass(slots=True)
class Container:
    """An array ``[`` or an object ``{``; ``items`` are the values, ``keys`` those of an object.

    ``closed`` is True when its own bracket closed it; ``open_at_end`` when the text ended first.
    ``state`` belongs to the scanner.
    """

    kind: str
    start: int
    state: str
    end: int = 0
    closed: bool = False
    open_at_end: bool = False
    items: list[Node] = field(default_factory=list)
    keys: list[Scalar | None] = field(default_factory=list)
    pending: Scalar | None = None


Node = Scalar | Container


class Repairs:
    """What was repaired: a phrase for each kind, with its first position and how often."""

    def __init__(self) -> None:
        self._seen: dict[str, list[int]] = {}

    def add(self, phrase: str, position: int | None = None) -> None:
        """Add a repair; ``position`` is an index into the text."""
        if phrase in self._seen:
            self._seen[phrase][1] += 1
        else:
            self._seen[phrase] = [-1 if position is None else position, 1]

    def __bool__(self) -> bool:
        return bool(self._seen)

    def phrases(self) -> list[str]:
        """Return one phrase each, for example ``missing comma (character 37, 3 times)``."""
        found = []
        for phrase, (position, count) in self._seen.items():
            facts = [f"character {position}"] if position >= 0 else []
            facts += [f"{count} times"] if count > 1 else []
            found.append(f"{phrase} ({', '.join(facts)})" if facts else phrase)
        return found


@dataclass(slots=True)
class Document:
    """A scanned text.

    Attributes:
        text: what was read (a very long answer is read up to a limit).
        values: the top-level containers, in order.
        gaps: ``gaps[i]`` is the span of text before ``values[i]``, outside all brackets.
        repairs: deviations from strict JSON. Empty: the text is one JSON array or object.
        cut: the text ended where more had to follow, inside a value or after a comma.
    """

    text: str
    values: list[Container]
    gaps: list[tuple[int, int]]
    repairs: Repairs
    cut: bool

    def string(self, node: Scalar) -> str:
        """Return the text of a scalar, escapes resolved, safe to encode as UTF-8."""
        raw = self.text[node.start : node.end]
        if "\\" in raw:
            raw = _ESCAPE.sub(_unescape, raw)
        return well_formed(raw)


def _unescape(match: re.Match[str]) -> str:
    code, simple = match.groups()
    return chr(int(code, 16)) if code else _SIMPLE.get(simple, simple)
