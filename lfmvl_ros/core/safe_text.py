# SPDX-License-Identifier: Apache-2.0
"""Makes text from outside (labels, captions, file names) safe to show, send and store.

Queries and answers can contain anything that a Python string can: control characters that clear a
terminal, direction controls that reorder the rest of the line, halves of surrogate pairs that no
UTF-8 encoder accepts. Every label passes :func:`safe_text` once, where it enters (``Query``,
parsing, lettering, diagnostics), and every JSON document passes :func:`json_text` on its way out.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for what is not a character: lone surrogates, non-characters, unassigned code points."""

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # Persian, Hindi and emoji need them
_VISIBLE_FORMATS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\U000110bd\U000110cd"
_KEPT_FORMATS = frozenset(_JOINERS + _VISIBLE_FORMATS)
_BREAKS = frozenset(("Cc", "Zl", "Zp", "Zs"))
_NO_CHARACTER = frozenset(("Cn", "Cs"))
_ESCAPED = _NO_CHARACTER | {"Cc", "Cf", "Zl", "Zp"}


def safe_text(text: str) -> str:
    r"""Return ``text`` on one line, without anything that does not show or can't be encoded.

    Control characters (C0, C1), line and paragraph separators and white space become single
    spaces; invisible format characters, among them all direction controls, are dropped, except
    the joiners that scripts need; what is not a character becomes U+FFFD. Letters, marks, symbols
    and emoji of every script stay as they are. The result encodes in UTF-8, and applying the
    function again changes nothing.

    >>> safe_text(" red\n to\x85te\x07 ")
    'red to te'
    >>> safe_text("\u202etote\ud800") == "tote\ufffd"
    True
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(map(_safe_character, well_formed(text))).split())


def well_formed(text: str) -> str:
    r"""Join surrogate pairs and replace lone surrogates, which no UTF-8 message can carry.

    >>> well_formed("\ud83d\ude00"), well_formed("a\ud800")
    ('😀', 'a�')
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shortened(text: str, most: int = 200) -> str:
    """Return text from outside safe to show, its middle left out where it is longer than ``most``.

    >>> shortened("a" * 99, 11)
    'aaaa...aaaa'
    """
    if len(text) > 2 * most + 100:  # looking at each character of a megabyte takes long
        text = text[: most + 50] + text[-most - 50 :]
    safe = safe_text(text)
    half = (most - 3) // 2
    return safe if len(safe) <= most else f"{safe[:half]}...{safe[-half:]}"


def quoted(text: str, most: int = 80) -> str:
    """Return text from outside in quotes, as :func:`shortened` makes it.

    >>> quoted("red tote")
    "'red tote'"
    """
    return repr(shortened(text, most))


def shown_value(value: object, most: int = 80) -> str:
    """Return a value of a document as a message shows it: text in quotes, anything else as JSON.

    >>> shown_value("0"), shown_value(0), shown_value(True), shown_value([1, None])
    ("'0'", '0', 'true', '[1, null]')
    """
    if isinstance(value, str):
        return quoted(value, most)
    try:
        return shortened(json.dumps(value, ensure_ascii=False), most)
    except (TypeError, ValueError, RecursionError):  # no JSON; or an integer of 5,000 digits
        return f"a {type(value).__name__}"


def json_text(document: Any, *, indent: int | None = None, allow_nan: bool = False) -> str:
    r"""Return a document as JSON that any reader takes, on one line unless ``indent`` is given.

    Letters of every script stay readable. Characters that would break a line, reorder it or not
    encode at all are written as JSON escapes, so a reader gets back what was given.

    Args:
        document: what :func:`json.dumps` takes.
        indent: spaces per level, for people.
        allow_nan: write infinite numbers and NaN as Python's ``json`` reads them; other readers
            refuse them.

    Raises:
        ValueError: a number is infinite or NaN, and ``allow_nan`` is not set.

    >>> json_text({"label": "é\u2028\ud800"})
    '{"label": "é\\u2028\\ud800"}'
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=allow_nan, indent=indent)
    return text if text.isascii() and "\x7f" not in text else "".join(map(_escaped, text))


def _safe_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    if category in _NO_CHARACTER:
        return REPLACEMENT
    return "" if category == "Cf" and character not in _KEPT_FORMATS else character


def _escaped(character: str) -> str:
    # dumps has escaped C0 controls inside strings; a line feed left is its own indentation.
    if character in _JOINERS or character == "\n":
        return character
    if unicodedata.category(character) not in _ESCAPED:
        return character
    return escape(character)


def escape(character: str) -> str:
    r"""Return a character as JSON's escape, ASCII only.

    >>> print(escape("é"), escape("😀"))
    \u00e9 \ud83d\ude00
    """
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
