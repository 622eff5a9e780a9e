# SPDX-License-Identifier: Apache-2.0
"""Conditions such as ``label == "person" and speed_m_s > 1.5``, as probabilities for all tracks.

The package rule-engine reads them: grammar, types, errors. It would evaluate one track at a time,
about 20 us each, on values without uncertainty. Here its syntax tree is evaluated on the columns of
all tracks at once, and a comparison gives the probability that it is true: of two normal
distributions, the probability that one is larger. ``and``, ``or`` and ``not`` combine these as if
they were independent. A text that was read is what it says with its confidence. What is not
known (no position, too young for a speed, no text) makes the whole condition unknown, which counts
as not true.
"""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.decided import refuse_decided
from lfmvl_ros.core.rules.fields import FIELDS, FLAGS, METRIC, NUMBERS, TEXTS
from lfmvl_ros.core.rules.patterns import refuse_endless
from lfmvl_ros.core.rules.text_tests import TEXT_TESTS, chance_of, fold_of
from lfmvl_ros.core.settings import nearest_name

INSTALL = "pip install 'lfmvl_ros[rules]' (or pip install rule-engine)"
_QUOTED = re.compile(r"""[rs]?(?P<quote>["'])((?:[^\\\n]|\\.)*?)(?P=quote)""")  # as rule-engine's
_GROWING = re.compile(r"<<|>>|\*\*")
MAX_CHARACTERS = 1000


class Column(NamedTuple):
    """A number of each track: ``(N,)`` mean and standard deviation; NaN where it is not known.

    Either may be one number for all tracks: a literal, or :data:`EXACT`.
    """

    mean: FloatArray
    sigma: FloatArray


EXACT: FloatArray = np.float64(0.0)  # type: ignore[assignment]  # standard deviation of no error


# Field -> texts of the tracks, a Column, or flags as probabilities.
Columns = Callable[[str], Any]
_Value = Any  # (N,) probabilities, a Column, a list of texts, or a literal


class TrackCondition:
    """A condition on the fields of a track (:mod:`lfmvl_ros.core.rules.fields`).

    Attributes:
        text: the condition as it was written.
        fields: names of the fields that it uses.

    Raises:
        UserError: it can't be parsed, uses syntax that is not supported here, or is always or never
            true by the values that its fields can have.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise UserError(f"has {len(text)} characters; at most {MAX_CHARACTERS} are read")
        _refuse_endless(text)
        self.text = text
        fields: set[str] = set()
        expression = _parsed(text)
        self._evaluate = _boolean(expression, fields)
        refuse_decided(expression)
        self.fields = frozenset(fields)

    @property
    def needs_metres(self) -> bool:
        """True if it uses a field in metres."""
        return bool(self.fields & METRIC)

    def probability(self, columns: Columns) -> FloatArray:
        """Return the probability that it holds for each track, ``(N,)``; 0 where that is unknown.

        Args:
            columns: returns a field's values for all tracks.
        """
        found, count = np.asarray(self._evaluate(columns), dtype=np.float64), len(columns("label"))
        known = np.fmax(found, 0.0)  # of NaN and 0: 0
        return known if known.shape == (count,) else np.broadcast_to(known, (count,))


def _refuse_endless(text: str) -> None:
    """Refuse constants that the parser itself would compute without end."""
    rest = _QUOTED.sub("''", text)
    growing = _GROWING.search(rest)
    if growing:  # 5 << 99999999 takes it all memory
        raise UserError(f"uses {growing[0]}, which is not understood here: {text!r}")
    if "~" in rest:  # "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" =~ "(a+)+$" takes it hours
        for found in _QUOTED.finditer(text):
            with contextlib.suppress(ValueError, SyntaxError):
                refuse_endless(str(ast.literal_eval(found[0].removeprefix("s"))))


def _parsed(text: str) -> Any:
    """Return rule-engine's syntax tree."""
    try:
        import rule_engine
    except ImportError as error:
        raise UserError(f"needs the package rule-engine: {INSTALL}") from error
    kinds = rule_engine.DataType
    types: Mapping[str, Any] = {
        **dict.fromkeys(TEXTS, kinds.STRING),
        **dict.fromkeys(NUMBERS, kinds.FLOAT),
        **dict.fromkeys(FLAGS, kinds.BOOLEAN),
    }
    context = rule_engine.Context(type_resolver=rule_engine.type_resolver_from_dict(types))
    try:
        return rule_engine.Rule(text, context=context).statement.expression
    except rule_engine.errors.SymbolResolutionError as error:
        near = nearest_name(error.symbol_name, FIELDS)
        meant = f"did you mean {near!r}?" if near else f"there is: {', '.join(FIELDS)}"
        raise UserError(f"there is no field {error.symbol_name!r}; {meant}") from error
    except rule_engine.errors.EngineError as error:
        raise UserError(f"can't be read ({error.message}): {text!r}") from error
    except RecursionError as error:
        raise UserError("is nested too deeply") from error
    except OverflowError as error:  # of a regular expression: "a{99999999999}"
        raise UserError(f"can't be read ({error}): {text!r}") from error


def _kind(node: Any) -> str:
    return type(node).__name__


def _refused(node: Any) -> UserError:
    what = _kind(node).removesuffix("Expression")
    return UserError(
        f"uses what is not understood here ({what}); use fields, numbers, texts, and or not, "
        "== != < <= > >= =~ !~ in, + - * /"
    )


def _boolean(node: Any, fields: set[str]) -> Callable[[Columns], _Value]:
    """Return what gives the probability of a node."""
    kind = _kind(node)
    if kind == "LogicExpression":
        return _logic(node.type, _boolean(node.left, fields), _boolean(node.right, fields))
    if kind == "UnaryExpression" and node.type == "not":
        inner = _boolean(node.right, fields)
        return lambda columns: 1 - inner(columns)
    if kind == "BooleanExpression":
        value = float(node.value)
        return lambda columns: np.full(len(columns("label")), value)
    if kind == "SymbolExpression" and node.name in FLAGS:
        name = node.name
        fields.add(name)
        return lambda columns: columns(name)
    if kind == "ContainsExpression":
        return _contains(node, fields)
    if kind.endswith("ComparisonExpression"):
        return _comparison(node, fields)
    raise _refused(node)


def _logic(
    word: str, left: Callable[[Columns], _Value], right: Callable[[Columns], _Value]
) -> Callable[[Columns], _Value]:
    if word == "and":
        return lambda columns: left(columns) * right(columns)
    return lambda columns: 1 - (1 - left(columns)) * (1 - right(columns))


def _contains(node: Any, fields: set[str]) -> Callable[[Columns], _Value]:
    """``label in ["person", "forklift"]``."""
    if _kind(node.container) != "ArrayExpression" or not _is_text(node.member):
        raise _refused(node)
    values = [item.value for item in node.container.value]
    if not all(isinstance(value, str) for value in values):
        raise _refused(node)
    name = node.member.name
    fields.add(name)
    fold = fold_of(name)
    folded = frozenset(map(fold, values))
    return chance_of(name, lambda text: text in folded)


def _is_text(node: Any) -> bool:
    return _kind(node) == "SymbolExpression" and node.name in TEXTS


def _comparison(node: Any, fields: set[str]) -> Callable[[Columns], _Value]:
    sides = (node.left, node.right)
    if _is_text(node.left) or _is_text(node.right):
        field, other = sides if _is_text(node.left) else (node.right, node.left)
        if _kind(other) != "StringExpression" or node.type not in TEXT_TESTS:
            raise _refused(node)
        if node.type.endswith(("fzm", "fzs")) and field is not node.left:
            raise _refused(node)
        fields.add(field.name)
        name, whole = field.name, node.type in ("eq", "ne")
        value = fold_of(name)(other.value) if whole else other.value
        return chance_of(name, TEXT_TESTS[node.type](value), folds=whole)
    if node.type not in _NUMBER_TESTS:
        raise _refused(node)
    left, right = _number(node.left, fields), _number(node.right, fields)
    compare = _NUMBER_TESTS[node.type]
    return lambda columns: compare(left(columns), right(columns))


def _larger(left: Column, right: Column) -> FloatArray:
    gap = left.mean - right.mean
    if left.sigma is EXACT and right.sigma is EXACT:
        return np.where(np.isnan(gap), np.nan, gap > 0)
    sigma = np.hypot(left.sigma, right.sigma)
    some, exact = np.count_nonzero(sigma > 0), np.count_nonzero(sigma <= 0)
    if some:  # exact values: sigma so small that only equal ones are between 0 and 1
        smooth = np.asarray(ndtr(gap / np.maximum(sigma, 1e-12)))
        return np.where((gap == 0) & (sigma <= 0), 0.0, smooth) if exact else smooth
    return np.where(np.isnan(gap), np.nan, gap > 0)


def _same(left: Column, right: Column) -> FloatArray:
    gap = left.mean - right.mean
    equal = (np.abs(gap) <= 1e-9) & (np.hypot(left.sigma, right.sigma) <= 0)
    return np.where(np.isnan(gap), np.nan, equal.astype(np.float64))


def _at_least(left: Column, right: Column) -> FloatArray:
    return np.maximum(_larger(left, right), _same(left, right))


_NUMBER_TESTS: dict[str, Callable[[Column, Column], FloatArray]] = {
    "gt": _larger, "lt": lambda a, b: _larger(b, a),
    "ge": _at_least, "le": lambda a, b: _at_least(b, a),
    "eq": _same, "ne": lambda a, b: 1 - _same(a, b),
}  # fmt: skip


def _number(node: Any, fields: set[str]) -> Callable[[Columns], Column]:
    """Return what gives a number of each track."""
    kind, word = _kind(node), getattr(node, "type", "")
    if kind == "FloatExpression":
        value = Column(np.float64(_finite(node)), EXACT)  # type: ignore[arg-type]
        return lambda _columns: value
    if kind == "SymbolExpression" and node.name in NUMBERS:
        name = node.name
        fields.add(name)
        return lambda columns: columns(name)
    if kind == "UnaryExpression" and word == "uminus":
        inner = _number(node.right, fields)
        return lambda columns: _scaled(inner(columns), -1.0)
    if word in ("add", "sub"):
        left, right = _number(node.left, fields), _number(node.right, fields)
        sign = 1.0 if word == "add" else -1.0
        return lambda columns: _sum(left(columns), _scaled(right(columns), sign))
    factors = getattr(node, "left", None), getattr(node, "right", None)
    if word == "mul" and "FloatExpression" in map(_kind, factors):
        number, other = sorted(factors, key=lambda item: _kind(item) != "FloatExpression")
        scale, inner = _finite(number), _number(other, fields)
        return lambda columns: _scaled(inner(columns), scale)
    if word in ("tdiv", "div") and _kind(factors[1]) == "FloatExpression":
        divisor, inner = _finite(node.right), _number(node.left, fields)
        if divisor == 0:
            raise UserError("divides by zero")
        return lambda columns: _scaled(inner(columns), 1 / divisor)
    raise _refused(node)


def _finite(node: Any) -> float:
    """Return a number of the text; one without a value would make a condition that never holds."""
    value = float(node.value)
    if not math.isfinite(value):
        raise UserError(f"has the number {value:g}; a limit has to be finite")
    return value


def _scaled(column: Column, factor: float) -> Column:
    return Column(column.mean * factor, column.sigma * abs(factor))


def _sum(left: Column, right: Column) -> Column:
    return Column(left.mean + right.mean, np.hypot(left.sigma, right.sigma))
