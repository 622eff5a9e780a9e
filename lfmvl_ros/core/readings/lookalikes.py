# SPDX-License-Identifier: Apache-2.0
"""Texts that say themselves that they may be wrong: look-alikes (O and 0), broken-off lines."""

from __future__ import annotations

import re

AMBIGUOUS_CONFIDENCE = 0.85
"""Highest confidence of such a text, however often it was read."""

_GROUP = re.compile(r"[^\W_]+")
_UNSPEAKABLE = re.compile(r"[B-DF-HJ-NP-TV-Z]{3}|[AEIOUY]{3}|^[^AEIOUY]*$")
_JOINING = "-/_+\u2010\u2011\u2013\u00b7"
_ALIKE = frozenset("0OoIl1|")


def has_lookalikes(text: str) -> bool:
    """Return whether a text has a character whose twin could be there as well.

    In a group of digits only, 0 and 1 are digits, and in a word, O, I and l are letters. In a group
    of both, in capital letters that make no word, and where a single such character stands between
    others than digits, either may be meant.

    >>> [has_lookalikes(text) for text in ("2028-10-01", "LOT 7", "B0X", "KCW-579-O", "SLSTGOR")]
    [False, False, True, True, True]
    """
    if "|" in text:
        return True
    groups = _GROUP.findall(text)
    only_digits = all(group.isdigit() for group in groups)
    return not only_digits and any(_is_unclear(group) for group in groups)


def is_broken_off(text: str) -> bool:
    """Return whether a text begins or ends with a character that joins it to something missing.

    >>> is_broken_off("GAT-001-"), is_broken_off("GAT-001-C")
    (True, False)
    """
    return bool(text) and (text[0] in _JOINING or text[-1] in _JOINING)


def _is_unclear(group: str) -> bool:
    if not _ALIKE.intersection(group):
        return False
    return len(group) == 1 or not (group.isdigit() or (group.isalpha() and _is_word(group)))


def _is_word(letters: str) -> bool:
    """Return whether letters can be spoken: codes of random capitals mostly cannot."""
    return not letters.isupper() or _UNSPEAKABLE.search(letters) is None
