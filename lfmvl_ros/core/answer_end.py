# SPDX-License-Identifier: Apache-2.0
"""Ends an answer although the model continues: its list is closed, or it repeats itself.

Both are checked token by token, so an answer ends at the same token regardless of how many tokens
a forward pass gave.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.reply import FinishReason

SAME_OBJECT = 4
"""When the same object is listed this many times, with the same numbers, the model is stuck."""
LONGEST_PERIOD = 64  # tokens; an object is about 29
_CYCLES, _LEAST_CYCLING = 3, 64
_DIGITS, _BLANKS = 32, 64  # in a row; a double has 17 digits
_LONGEST_OBJECT = 2000  # characters
_FENCE = "```json"
_GOES_ON = " \t\r\n,[]{}"
_OPENS, _CLOSES = ("<think>", "<thinking>"), ("</think>", "</thinking>")


class AnswerWatch:
    """Follows one answer while it is generated.

    Attributes:
        keep: how many of the tokens belong to the answer.
    """

    def __init__(self) -> None:
        self.keep = 0
        self._thinking, self._tag = False, ""
        self._recent = np.full(LONGEST_PERIOD, -1, dtype=np.int64)  # newest first
        self._cycling: NDArray[np.int64] = np.zeros(LONGEST_PERIOD, dtype=np.int64)
        self._needed = np.maximum(_LEAST_CYCLING, _CYCLES * np.arange(1, LONGEST_PERIOD + 1))
        self._digits = self._blanks = 0
        self._begin()

    def _begin(self) -> None:
        """Begin to read an answer: at the start, and behind a thought."""
        self._objects: Counter[str] = Counter()
        self._object: list[str] | None = None
        self._inside = _Strings()
        self._depth = 0
        self._lead = ""  # before the list
        self._list: bool | None = None  # True: the answer is only a list, of objects or empty
        self._closed_at = 0

    def add(self, token: int, text: str = "") -> FinishReason | None:
        """Take the next token and the text it adds; return why the answer ends here, if it does.

        Returns:
            ``STOP`` when its list is closed and something other than a list follows; the tokens
            after the list are not counted in :attr:`keep`. ``REPETITION`` when an object is listed
            for the :data:`SAME_OBJECT`-th time, tokens repeat in a cycle, or digits or blanks do
            not end. None while the answer continues.
        """
        self.keep += 1
        self._cycling = np.where(self._recent == token, self._cycling + 1, 0)
        self._recent[1:] = self._recent[:-1]
        self._recent[0] = token
        stuck = bool((self._cycling >= self._needed).any())
        for character in text:
            if self._thinks(character):
                continue
            quoted = self._inside.string(character)
            stuck = self._count(character, quoted) or stuck
            if self._read(character, quoted):
                self.keep = self._closed_at
                return FinishReason.STOP
        return FinishReason.REPETITION if stuck else None

    def _thinks(self, character: str) -> bool:
        """Follow the tags of thoughts, in which objects are tried out; True inside of one."""
        if character == "<":
            self._tag = character
        elif self._tag:
            self._tag = (self._tag + character.lower())[: len(_CLOSES[1])]
        if character == ">" and self._tag in _OPENS:
            self._thinking = True
        elif character == ">" and self._tag in _CLOSES:
            self._thinking = False
            self._begin()
            return True
        return self._thinking

    def _count(self, character: str, quoted: bool) -> bool:
        """Count digits, blanks and cycles; True when there are too many."""
        self._digits = self._digits + 1 if character.isdigit() else 0
        self._blanks = self._blanks + 1 if character.isspace() else 0
        if quoted:
            if self._object is not None:
                self._object.append(character)
        elif character == "{":
            self._object = []
        elif character == "}" and self._object is not None:
            named, self._object = "".join(self._object), None
            if any(letter.isdigit() for letter in named):
                self._objects[named] += 1
                return self._objects[named] >= SAME_OBJECT
        elif self._object is not None and not character.isspace():
            self._object.append(character)
        if self._object is not None and len(self._object) > _LONGEST_OBJECT:
            self._object = None
        return self._digits > _DIGITS or self._blanks > _BLANKS

    def _read(self, character: str, quoted: bool) -> bool:
        """Follow the brackets; True when something else follows the closed list."""
        if self._list is False:
            return False
        if self._closed_at and not self._depth and character not in _GOES_ON:
            return True
        if not self._depth and not self._closed_at:
            return self._before(character)
        if quoted:
            return False
        if self._list is None and not character.isspace():
            self._list = character in "{]"
        if character in "[{":
            self._depth += 1
        elif character in "]}":
            self._depth = max(0, self._depth - 1)
            if not self._depth:
                self._closed_at = self.keep
        return False

    def _before(self, character: str) -> bool:
        """Wait for the list; only the marks of a code block may precede it."""
        if character == "[":
            self._depth = 1
        else:
            self._lead += character
            if not _FENCE.startswith(self._lead.strip()):
                self._list = False
        return False


class _Strings:
    """Finds out which characters are inside a string, from the first bracket on."""

    def __init__(self) -> None:
        self._begun = self._quoted = self._escaped = False

    def string(self, character: str) -> bool:
        """Take the next character; True if it is inside a string (its quotes are not)."""
        if self._quoted:
            self._quoted = self._escaped or character != '"'
            self._escaped = character == "\\" and not self._escaped
            return self._quoted
        self._begun = self._begun or character in "[{"
        self._quoted = self._begun and character == '"'
        return False
