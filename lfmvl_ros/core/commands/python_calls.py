# SPDX-License-Identifier: Apache-2.0
"""Calls in Python's syntax, as LFM2 and LFM2.5 write them: ``[count(label="red crate")]``.

Only literals are read: texts, numbers, True, False, None and lists of these. Whatever is read here,
Python's own parser reads as the same (a test compares them).
"""

from __future__ import annotations

import keyword
import re

from lfmvl_ros.core.commands.calls import LONGEST_NAME, NoCallError, RawCall

_DEEPEST = 4
_BLANK = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(\.\d{1,20})?([eE][-+]?\d{1,3})?(?![\w.])", re.ASCII)
_WORDS = {
    "True": True, "False": False, "None": None, "true": True, "false": False, "null": None,
}  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "b": "\b", "f": "\f"}
_HEX = {"x": 2, "u": 4}


def read_python_calls(text: str, start: int = 0) -> tuple[list[RawCall], int]:
    """Read a list of calls, or a call without a list around it, from ``start`` on.

    Returns:
        The calls, and the position behind them.

    Raises:
        NoCallError: the text is something else, or ends too early.
    """
    reader = _Reader(text, start)
    reader.skip()
    if not reader.take("["):
        return [reader.call()], reader.at
    calls: list[RawCall] = []
    while not reader.take("]"):
        if calls and not reader.take(","):
            raise reader.error("a comma or the end of the list")
        if calls and reader.take("]"):
            break
        calls.append(reader.call())
    return calls, reader.at


class _Reader:
    """Reads from a position on; :attr:`at` moves."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self.at = text, at

    def skip(self) -> None:
        """Go to the next character that is not blank."""
        match = _BLANK.match(self._text, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, character: str) -> bool:
        """Take one character if it is the next, blanks aside."""
        self.skip()
        if self._text.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def error(self, expected: str) -> NoCallError:
        """Return what to raise where something else stands."""
        if self.at >= len(self._text):
            return NoCallError(f"it ends where {expected} should follow")
        return NoCallError(f"character {self.at} should be {expected}")

    def name(self) -> str:
        """Take a name."""
        self.skip()
        match = _NAME.match(self._text, self.at)
        if match is None or keyword.iskeyword(match[0]) or len(match[0]) > LONGEST_NAME:
            raise self.error("a name")
        self.at = match.end()
        return match[0]

    def call(self) -> RawCall:
        """Take a call."""
        self.skip()
        start, name = self.at, self.name()
        if not self.take("("):
            raise self.error("an opening bracket")
        arguments: dict[str, object] = {}
        positional: list[object] = []
        while not self.take(")"):
            if (arguments or positional) and not self.take(","):
                raise self.error("a comma or the end of the call")
            if (arguments or positional) and self.take(")"):
                break
            key = self._key()
            if key is None and arguments:
                raise self.error("the name of an argument")
            if key is None:
                positional.append(self.value())
            elif key in arguments:
                raise NoCallError(f"the argument {key} appears twice")
            else:
                arguments[key] = self.value()
        return RawCall(name, arguments, tuple(positional), span=(start, self.at))

    def _key(self) -> str | None:
        """Take ``name=`` if it is there."""
        self.skip()
        before = self.at
        if _NAME.match(self._text, self.at) is None:
            return None
        word = self._text[before : before + 5]
        if word.startswith(tuple(_WORDS)) and not self._is_key(before):
            return None
        name = self.name()
        if self.take("="):
            return name
        self.at = before
        return None

    def _is_key(self, at: int) -> bool:
        match = re.compile(r"[A-Za-z0-9_]+[ \t\r\n]*=").match(self._text, at)
        return match is not None

    def value(self, depth: int = 0) -> object:
        """Take a literal."""
        self.skip()
        character = self._text[self.at : self.at + 1]
        if character in ("'", '"') and character:
            return self._string(character)
        if character == "[":
            return self._list(depth)
        match = _NUMBER.match(self._text, self.at)
        if match is not None:
            self.at = match.end()
            return float(match[0]) if match[1] or match[2] else int(match[0])
        match = _NAME.match(self._text, self.at)
        if match is not None and match[0] in _WORDS:
            self.at = match.end()
            return _WORDS[match[0]]
        raise self.error("a text, a number or a list")

    def _list(self, depth: int) -> list[object]:
        if depth >= _DEEPEST:
            raise NoCallError("lists are nested too deeply")
        self.at += 1
        items: list[object] = []
        while not self.take("]"):
            if items and not self.take(","):
                raise self.error("a comma or the end of a list")
            if items and self.take("]"):
                break
            items.append(self.value(depth + 1))
        return items

    def _string(self, quote: str) -> str:
        self.at += 1
        pieces: list[str] = []
        while True:
            character = self._text[self.at : self.at + 1]
            if not character or character in "\r\n\0":
                raise NoCallError("a text does not end")
            self.at += 1
            if character == quote:
                # Two quotes and a third begin one of Python's long texts.
                if not pieces and self._text.startswith(quote, self.at):
                    raise self.error("a comma")
                return "".join(pieces)
            pieces.append(self._escape() if character == "\\" else character)

    def _escape(self) -> str:
        letter = self._text[self.at : self.at + 1]
        self.at += 1
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter]
        digits = self._text[self.at : self.at + _HEX.get(letter, 0)]
        if not letter or letter not in _HEX or not re.fullmatch(r"[0-9A-Fa-f]+", digits):
            raise NoCallError("a text has an unknown escape")
        if len(digits) != _HEX[letter]:
            raise NoCallError("a text has an unknown escape")
        self.at += len(digits)
        return chr(int(digits, 16))
