# SPDX-License-Identifier: Apache-2.0
"""Declared settings: a dataclass field with its unit, range and help, and what follows from it.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Oven(Group):
...     heat_c: float = setting(180.0, "Heat.", unit="C", low=50.0, high=250.0)
>>> Oven().updated({"heat_c": 200}).heat_c
200.0
>>> Oven().updated({"heat_c": 999})
Traceback (most recent call last):
    ...
lfmvl_ros.core.errors.UserError: heat_c must be between 50.0 and 250.0 C, got 999.0
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lfmvl_ros.core.errors import UserError

Value = bool | int | float | str | tuple[str, ...]
YAML_BOOLEANS = {
    "y": True, "yes": True, "true": True, "on": True,
    "n": False, "no": False, "false": False, "off": False,
}  # fmt: skip
"""Words that ROS parameter files and ``-p`` read as booleans, in lower case; any case counts."""
GroupType = TypeVar("GroupType", bound="Group")


@dataclass(frozen=True)
class SettingInfo:
    """One setting as declared: ``name`` is dotted (``tracker.max_coast_s``).

    ``kind`` is bool, int, float, str, or tuple for a list of texts. ``renamed`` maps words that
    were choices in an earlier version to those that replaced them.
    """

    name: str
    kind: type
    default: Value
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def type_name(self) -> str:
        """The type in words."""
        return "list of str" if self.kind is tuple else self.kind.__name__

    def check(self, value: object) -> Value:
        """Return ``value`` in the declared type.

        An int is taken for a float, as in YAML, and any sequence of texts for a list of them.

        Raises:
            UserError: wrong type, out of range or not among the choices.
        """
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind is tuple and isinstance(value, Sequence) and not isinstance(value, str):
            value = tuple(value)
        texts = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        if self.choices and value not in self.choices:
            raise UserError(self._not_a_choice(value))
        if type(value) is not self.kind or (self.kind is tuple and not texts):
            raise UserError(
                f"{self.name} must be of type {self.type_name}, "
                f"got {type(value).__name__} {value!r}{self._quote(value)}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{self.name} must be finite, got {value}")
        if isinstance(value, (int, float)) and not self._in_range(value):
            unit = f" {self.unit}" if self.unit else ""
            raise UserError(
                f"{self.name} must be between {self.low} and {self.high}{unit}, got {value}"
            )
        return typing.cast(Value, value)

    def _not_a_choice(self, value: object) -> str:
        """Return why ``value`` is refused, and which choice replaced it where one did."""
        message = f"{self.name} must be one of {', '.join(self.choices)}; got {value!r}"
        if isinstance(value, bool):
            words = [word for word, means in YAML_BOOLEANS.items() if means is value]
            message += f", as YAML reads {', '.join(words[:-1])} and {words[-1]}"
            old = [word for word in self.renamed if YAML_BOOLEANS.get(word) is value]
        else:
            old = [word for word in self.renamed if word == value]
        return message + "".join(f"; {word!r} is now {self.renamed[word]!r}" for word in old)

    def _quote(self, value: object) -> str:
        """Return how to keep YAML from turning a text into something else."""
        if self.kind is not str or not isinstance(value, (bool, int, float)):
            return ""
        return (
            "; YAML reads numbers and words such as on and no as other types unless they are "
            f"quoted: {self.name}: 'text' in a file, -p {self.name}:=\"'text'\" in a shell"
        )

    def _in_range(self, value: float) -> bool:
        return self.low is None or self.high is None or self.low <= value <= self.high


def setting(
    default: Value,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
    renamed: Mapping[str, str] | None = None,
) -> Any:
    """Declare a field of a :class:`Group`.

    Args:
        default: also settles the type.
        help: what it does and when to change it.
        unit: of a number; "" where it has none.
        low: smallest value; given with ``high``.
        high: largest value.
        choices: the words that a text setting takes.
        read_only: fixed once the node runs.
        renamed: choices of earlier versions -> those that replaced them.

    Raises:
        ValueError: half a range, or a word that YAML reads as a boolean.
    """
    if (low is None) != (high is None):
        raise ValueError("give both ends of a range, or none")
    for word in (default, *choices):
        if isinstance(word, str) and word.lower() in YAML_BOOLEANS:
            raise ValueError(f"{word!r} is a boolean in YAML; choose another word")
    metadata = {
        "help": help, "unit": unit, "low": low, "high": high, "choices": choices,
        "read_only": read_only, "renamed": renamed or {},
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the dotted name that was probably meant, or None.

    That is the only one with the same last part, as in ``max_coast_s`` for ``tracker.max_coast_s``,
    else the one that is spelt most like it.
    """
    names = list(known)
    last = name.rpartition(".")[2]
    same = [other for other in names if other.rpartition(".")[2] == last]
    if len(same) == 1:
        return same[0]
    whole = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if whole:
        return whole[0]
    parts = {other.rpartition(".")[2]: other for other in names}
    part = difflib.get_close_matches(last, parts, n=1, cutoff=0.75)
    return parts[part[0]] if part else None


# Reading type hints takes milliseconds, and a node asks a hundred times while it starts.
_described: dict[tuple[type, str], dict[str, SettingInfo]] = {}


class Group:
    """Base of settings dataclasses: fields are settings or further groups."""

    @classmethod
    def describe(cls, prefix: str = "") -> dict[str, SettingInfo]:
        """Return every setting below this group by dotted name, in order of declaration."""
        key = (cls, prefix)
        if key not in _described:
            _described[key] = cls._describe(prefix)
        return dict(_described[key])

    @classmethod
    def _describe(cls, prefix: str) -> dict[str, SettingInfo]:
        found: dict[str, SettingInfo] = {}
        types = typing.get_type_hints(cls)
        for item in dataclasses.fields(cls):  # type: ignore[arg-type]
            kind, name = types[item.name], f"{prefix}{item.name}"
            kind = typing.get_origin(kind) or kind
            if isinstance(kind, type) and issubclass(kind, Group):
                found.update(kind.describe(f"{name}."))
            else:
                default = typing.cast(Value, item.default)
                found[name] = SettingInfo(name, kind, default, **item.metadata)
        return found

    def __post_init__(self) -> None:
        for name, info in self.describe().items():
            if "." not in name:
                object.__setattr__(self, name, info.check(getattr(self, name)))

    def flat(self) -> dict[str, Value]:
        """Return the value of every setting by dotted name."""
        return {name: self._get(name) for name in self.describe()}

    def _get(self, name: str) -> Value:
        target: Any = self
        for part in name.split("."):
            target = getattr(target, part)
        return typing.cast(Value, target)

    def updated(self: GroupType, changes: Mapping[str, object]) -> GroupType:
        """Return a copy with ``changes`` (dotted names) applied, all of them or none.

        Raises:
            UserError: names every unknown setting and every bad value at once.
        """
        known, problems = self.describe(), []
        for name, value in changes.items():
            if name not in known:
                near = nearest_name(name, known)
                meant = f"; did you mean {near!r}?" if near else ""
                problems.append(f"there is no setting {name!r}{meant}")
                continue
            try:
                known[name].check(value)
            except UserError as error:
                problems.append(str(error))
        if problems:
            raise UserError("; ".join(problems))
        return self._rebuilt(changes)

    def _rebuilt(self: GroupType, changes: Mapping[str, object]) -> GroupType:
        own = {name: value for name, value in changes.items() if "." not in name}
        nested: dict[str, dict[str, object]] = {}
        for name, value in changes.items():
            head, dot, rest = name.partition(".")
            if dot:
                nested.setdefault(head, {})[rest] = value
        for head, inner in nested.items():
            own[head] = getattr(self, head)._rebuilt(inner)
        return dataclasses.replace(self, **own)  # type: ignore[type-var]
