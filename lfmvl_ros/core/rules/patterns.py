# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of conditions: only those whose matching time is bounded for any label.

Python's ``re`` tries one way of matching after the other: ``(a+)+$`` on 30 letters has a thousand
million ways. How many an expression has on the longest label is counted here from its syntax tree;
one with too many is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS
from lfmvl_ros.core.safe_text import quoted

try:
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as _parser

MOST_WAYS = 2_000_000  # some tens of milliseconds, once for a label
_MANY = MOST_WAYS + 1
_ONE_WAY = frozenset(("LITERAL", "NOT_LITERAL", "ANY", "IN", "CATEGORY", "RANGE", "AT", "GROUPREF"))


def pattern_test(text: str, *, whole: bool) -> Callable[[str], bool]:
    """Return whether a label matches a regular expression, as a function of the label.

    Args:
        text: the expression, in Python's syntax.
        whole: it begins with the label; else it may be anywhere in it.

    Raises:
        UserError: it is none, or could take too long.
    """
    refuse_endless(text, whole=whole)
    try:
        compiled = re.compile(text)
    except RecursionError as error:
        raise UserError(f"the regular expression {quoted(text)} is nested too deeply") from error
    except (re.error, OverflowError) as error:
        raise UserError(f"{quoted(text)} is not a regular expression ({error})") from error
    find = compiled.match if whole else compiled.search

    @lru_cache(maxsize=1024)  # the same few labels come with every frame
    def test(label: str) -> bool:
        return find(label) is not None

    return test


def refuse_endless(text: str, *, whole: bool = False) -> None:
    """Refuse a regular expression with too many ways of matching; one with an error passes.

    Raises:
        UserError: it has too many.
    """
    try:
        tree = _parser.parse(text)
    except (re.error, OverflowError, RecursionError):
        return
    starts = 1 if whole else MAX_LABEL_CHARACTERS
    if _ways(tree) * starts > MOST_WAYS:
        raise UserError(
            f"{quoted(text)} could take too long: a repeat inside of a repeat, or several; use "
            "fewer of * + ? {}, such as 'red.*tote', or a list of labels"
        )


def _ways(parts: Sequence[Any]) -> int:
    """Return in how many ways a sequence can match from one place, at most :data:`_MANY`."""
    found = 1
    for operation, argument in parts:
        found = min(found * _ways_of(str(operation), argument), _MANY)
    return found


def _ways_of(name: str, argument: Any) -> int:
    if name in _ONE_WAY:
        return 1
    count = _COUNTED.get(name)
    return _MANY if count is None else min(count(argument), _MANY)


def _ways_of_repeat(argument: Any) -> int:
    low, high, part = argument
    low, high = (min(int(limit), MAX_LABEL_CHARACTERS) for limit in (low, high))
    each = _ways(part)
    if each == 1:
        return high - low + 1
    return int((each + 1) ** min(high, 21))  # 2 ** 21 are too many


_COUNTED: dict[str, Callable[[Any], int]] = {
    "MAX_REPEAT": _ways_of_repeat,
    "MIN_REPEAT": _ways_of_repeat,
    "POSSESSIVE_REPEAT": _ways_of_repeat,
    "BRANCH": lambda argument: sum(map(_ways, argument[1])),
    "SUBPATTERN": lambda argument: _ways(argument[-1]),
    "ATOMIC_GROUP": _ways,
    "ASSERT": lambda argument: _ways(argument[1]),
    "ASSERT_NOT": lambda argument: _ways(argument[1]),
    "GROUPREF_EXISTS": lambda argument: _ways(argument[1]) + _ways(argument[2] or ()),
}
