# SPDX-License-Identifier: Apache-2.0
"""Finds conditions that are decided before there is any track, such as ``confidence > 2``.

A rule with one would never begin an event, or begin one for every track: somebody has mistaken a
fraction for a percentage or for pixels, or a word for another. Each comparison is judged by the
values that its fields can have (interval arithmetic), so ``x > 0.9 and x < 0.1`` is not found.

A comparison with a value that is not known does not hold. So ``distance_m >= 0`` is not always
true: it asks whether the distance is known.
"""

from __future__ import annotations

import math
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.fields import NOT_ALWAYS_KNOWN, NUMBER_FIELDS, STATES
from lfmvl_ros.core.rules.text_tests import TEXT_TESTS
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.settings import nearest_name

_SIGNS = {
    "gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!=",
    "eq_fzm": "=~", "eq_fzs": "=~~", "ne_fzm": "!~", "ne_fzs": "!~~",
    "add": "+", "sub": "-", "mul": "*", "tdiv": "/", "div": "/",
}  # fmt: skip
_Interval = tuple[float, float]
_Verdict = bool | None  # always true, never true, or open


def refuse_decided(node: Any) -> None:
    """Refuse a condition of which the fields' possible values decide a part, or all of it.

    Args:
        node: rule-engine's syntax tree of a condition that is supported here.

    Raises:
        UserError: names the comparison, and what its fields can be.
    """
    verdict = _verdict(node)
    if verdict is not None:
        raise UserError(f"is {_often(verdict)} true, whatever is tracked")


def _often(verdict: bool) -> str:
    return "always" if verdict else "never"


def _verdict(node: Any) -> _Verdict:
    kind = type(node).__name__
    if kind == "BooleanExpression":
        return bool(node.value)
    if kind == "LogicExpression":
        return _of_logic(node)
    if kind == "UnaryExpression":
        inner = _verdict(node.right)
        return None if inner is None or _may_be_unknown(node) else not inner
    if kind == "ContainsExpression":
        return _of_texts(node.member, [item.value for item in node.container.value])
    return _of_comparison(node) if kind.endswith("ComparisonExpression") else None


def _of_logic(node: Any) -> _Verdict:
    sides = (_verdict(node.left), _verdict(node.right))  # both: each may be refused
    decisive = bool(node.type == "or")
    if decisive in sides and not (decisive and _may_be_unknown(node)):
        return decisive
    return not decisive if sides == (not decisive, not decisive) else None


def _of_comparison(node: Any) -> _Verdict:
    field, other = _text_field_first(node)
    if field is None:
        return _of_numbers(node)
    if node.type in ("eq", "ne"):
        return _of_texts(field, [other.value])
    _refuse_pattern(node, field, other.value)
    return None


def _may_be_unknown(node: Any) -> bool:
    return bool(_fields(node) & NOT_ALWAYS_KNOWN)


def _fields(node: Any) -> set[str]:
    """Return the names of the fields in a part of the tree."""
    if type(node).__name__ == "SymbolExpression":
        return {node.name}
    parts = (getattr(node, part, None) for part in ("left", "right", "member"))
    return set().union(*(_fields(part) for part in parts if part is not None))


# -- numbers ---------------------------------------------------------------------------------------


def _of_numbers(node: Any) -> _Verdict:
    left, right = _interval(node.left), _interval(node.right)
    verdict = _compared(node.type, left, right)
    names = sorted(_fields(node))
    if verdict is None or not names or (verdict and _may_be_unknown(node)):
        return None if names else verdict
    ranges = " and ".join(f"{name} is {NUMBER_FIELDS[name].limits}" for name in names)
    raise UserError(f"{_shown(node)} is {_often(verdict)} true: {ranges}")


def _compared(word: str, left: _Interval, right: _Interval) -> _Verdict:
    if word in ("lt", "le"):
        word, left, right = {"lt": "gt", "le": "ge"}[word], right, left
    if word == "gt":
        return True if left[0] > right[1] else False if left[1] <= right[0] else None
    if word == "ge":
        return True if left[0] >= right[1] else False if left[1] < right[0] else None
    apart = left[0] > right[1] or left[1] < right[0]
    same = left[0] == left[1] == right[0] == right[1]
    if not (apart or same):
        return None
    return same if word == "eq" else apart


def _interval(node: Any) -> _Interval:
    """Return the smallest and the largest value that a number can have."""
    kind = type(node).__name__
    if kind == "FloatExpression":
        return float(node.value), float(node.value)
    if kind == "SymbolExpression":
        field = NUMBER_FIELDS[node.name]
        return field.low, field.high
    if kind == "UnaryExpression":
        return _scaled(_interval(node.right), -1.0)
    left, right = _interval(node.left), _interval(node.right)
    if node.type in ("add", "sub"):
        low, high = right if node.type == "add" else _scaled(right, -1.0)
        return _known((left[0] + low, left[1] + high))
    if node.type == "mul":
        factor, other = (left, right) if left[0] == left[1] else (right, left)
        return _scaled(other, factor[0])
    return _scaled(left, 1 / right[0])


def _scaled(interval: _Interval, factor: float) -> _Interval:
    low, high = sorted((interval[0] * factor, interval[1] * factor))
    return _known((low, high))


def _known(interval: _Interval) -> _Interval:
    """Return an interval; all numbers where a limit can't be computed, such as 0 * infinity."""
    return (-math.inf, math.inf) if any(map(math.isnan, interval)) else interval


# -- texts -----------------------------------------------------------------------------------------


def _text_field_first(node: Any) -> tuple[Any, Any]:
    """Return the text field and the text of a comparison; None and None for numbers."""
    for field, other in ((node.left, node.right), (node.right, node.left)):
        if type(other).__name__ == "StringExpression":
            return field, other
    return None, None


def _of_texts(field: Any, values: list[str]) -> _Verdict:
    """Refuse a state that no track has, and a list of all states."""
    if field.name == "state":
        known = set(map(fold_label, STATES))
        for value in values:
            if fold_label(value) not in known:
                near = nearest_name(value, STATES)
                meant = f"did you mean {near!r}?" if near else f"there is: {', '.join(STATES)}"
                raise UserError(f"there is no state {quoted(value)}; {meant}")
        if len({fold_label(value) for value in values}) == len(known):
            raise UserError(f"state in [...] is always true: it names all of {', '.join(STATES)}")
    return False if not values else None


def _refuse_pattern(node: Any, field: Any, pattern: str) -> None:
    """Refuse a regular expression that all states match, or none."""
    if field.name != "state":
        return
    test = TEXT_TESTS[node.type](pattern)
    found = {test(state) for state in STATES}
    if len(found) == 1:
        raise UserError(
            f"{_shown(node)} is {_often(found.pop())} true: state is one of {', '.join(STATES)}"
        )


# -- words -----------------------------------------------------------------------------------------


def _shown(node: Any) -> str:
    """Return a part of the tree as its author may have written it."""
    kind = type(node).__name__
    if kind == "FloatExpression":
        return f"{float(node.value):g}"
    if kind == "StringExpression":
        return quoted(node.value)
    if kind == "SymbolExpression":
        return str(node.name)
    if kind == "UnaryExpression":
        return f"-{_shown(node.right)}"
    sides = [_shown(side) for side in (node.left, node.right)]
    if node.type in ("mul", "tdiv", "div"):
        sides = [f"({side})" if " " in side else side for side in sides]
    return f" {_SIGNS[node.type]} ".join(sides)
