# SPDX-License-Identifier: Apache-2.0
"""Arguments of a tool: declared once; checks, JSON Schema and documentation follow from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import quoted, shown_value
from lfmvl_ros.core.user_files import parse_json

LABEL, LABELS, SECONDS, TRACK, WORD = "label", "labels", "seconds", "track", "word"
_TYPES = {LABEL: "string", LABELS: "array", SECONDS: "number", TRACK: "integer", WORD: "string"}
_NEEDS = {
    LABEL: "one label, such as 'red crate'",
    LABELS: 'a list of labels, such as ["red crate", "person"]',
    SECONDS: "a number of seconds",
    TRACK: "the id of a track, a whole number above 0",
    WORD: "a text",
}


@dataclass(frozen=True)
class Argument:
    """One argument as declared.

    Attributes:
        name: of the field.
        kind: LABEL (one label of a query), LABELS (several), SECONDS, TRACK (an id) or WORD.
        help: what it means.
        default: None where it has to be given.
        low, high: of a number, inclusive.
        choices: of a word; empty: any.
    """

    name: str
    kind: str
    help: str
    default: object = None
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """True when a call has to give it."""
        return self.default is None

    def check(self, value: object, *, is_text: bool = False) -> Any:
        """Return a value as the tool takes it.

        Args:
            value: as written in the call.
            is_text: the syntax of the call knows only texts, so numbers and lists are read in them.

        Raises:
            UserError: it is of another type, out of range, or not among the choices.
        """
        if is_text and isinstance(value, str):
            value = self._from_text(value)
        if self.kind == SECONDS:
            return self._number(value)
        if self.kind == TRACK:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 63:
                raise self._wrong(value)
            return value
        if self.kind == LABELS:
            return self._labels(value)
        if not isinstance(value, str):
            raise self._wrong(value)
        if self.kind == LABEL:
            labels = self._labels([value])
            if len(labels) != 1:
                raise self._wrong(value)
            return labels[0]
        if self.choices and value not in self.choices:
            raise UserError(
                f"{self.name} must be one of {', '.join(self.choices)}; got {quoted(value)}"
            )
        return value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        document: dict[str, Any] = {"type": _TYPES[self.kind], "description": self.help}
        if self.kind == LABELS:
            document |= {"items": {"type": "string"}, "minItems": 1}
        if self.kind == SECONDS:
            document |= {"minimum": self.low, "maximum": self.high}
        if self.kind == TRACK:
            document |= {"minimum": 1}
        if self.choices:
            document["enum"] = list(self.choices)
        if not self.required:
            document["default"] = self.default
        return document

    def _from_text(self, text: str) -> object:
        if self.kind in (SECONDS, TRACK) or (self.kind == LABELS and text.lstrip().startswith("[")):
            try:
                return parse_json(text)
            except ValueError:
                raise self._wrong(text) from None
        return text

    def _number(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(value)
        if not self.low <= value <= self.high:
            raise UserError(
                f"{self.name} must be between {self.low:g} and {self.high:g} s, "
                f"got {shown_value(value)}"
            )
        return float(value)

    def _labels(self, value: object) -> tuple[str, ...]:
        """Return labels as :class:`~lfmvl_ros.core.query.Query` has them."""
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)) or not all(isinstance(w, str) for w in words):
            raise self._wrong(value)
        return Query.parse(", ".join(words), what=self.name).labels

    def _wrong(self, value: object) -> UserError:
        return UserError(f"{self.name} must be {_NEEDS[self.kind]}; got {shown_value(value)}")


def argument(kind: str, help: str, **options: Any) -> Any:
    """Declare a field of a tool; ``options`` as in :class:`Argument`."""
    metadata = {"kind": kind, "help": help, **options}
    if "default" in options:
        return dataclasses.field(default=options["default"], metadata=metadata)
    return dataclasses.field(metadata=metadata)


def arguments_of(tool: type) -> dict[str, Argument]:
    """Return the declared arguments of a tool's class by name, in their order."""
    return {
        item.name: Argument(item.name, **item.metadata)
        for item in dataclasses.fields(tool)
        if "kind" in item.metadata
    }


def checked(tool: type, given: Mapping[str, object], *, is_text: bool = False) -> dict[str, Any]:
    """Return all arguments of a tool's class, checked.

    Raises:
        UserError: one is missing, unknown or wrong.
    """
    known = arguments_of(tool)
    unknown = [name for name in given if name not in known]
    if unknown:
        takes = ", ".join(known) or "no arguments"
        raise UserError(f"there is no argument {quoted(unknown[0])}; it takes {takes}")
    missing = [name for name, item in known.items() if item.required and name not in given]
    if missing:
        raise UserError(f"{missing[0]} is missing: {_NEEDS[known[missing[0]].kind]}")
    return {
        name: item.check(given[name], is_text=is_text) if name in given else item.default
        for name, item in known.items()
    }
