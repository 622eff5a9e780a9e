# SPDX-License-Identifier: Apache-2.0
"""Characters that no reader can tell apart by their shape, such as the letter O and the digit 0."""

from __future__ import annotations

import re

AMBIGUOUS_CONFIDENCE = 0.85
"""Highest confidence of a text with such characters, however often it was read."""

_GROUP = re.compile(r"[^\W_]+")
_ALIKE = frozenset("0OoIl1|")


def has_lookalikes(text: str) -> bool:
    """Return whether a text has a character whose twin could be there as well.

    In a group of digits only, 0 and 1 are digits, and in a group of letters only, O, I and l are
    letters. In a group of both, and where a single such character stands between others than
    digits, either may be meant.

    >>> [has_lookalikes(text) for text in ("2028-10-01", "LOT", "LOT 7", "B0X", "KCW-579-O")]
    [False, False, False, True, True]
    """
    if "|" in text:
        return True
    groups = _GROUP.findall(text)
    only_digits = all(group.isdigit() for group in groups)
    return not only_digits and any(_is_unclear(group) for group in groups)


def _is_unclear(group: str) -> bool:
    if not _ALIKE.intersection(group):
        return False
    return len(group) == 1 or not (group.isdigit() or group.isalpha())
