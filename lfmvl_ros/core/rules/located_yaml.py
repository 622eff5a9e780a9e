# SPDX-License-Identifier: Apache-2.0
"""A YAML file that a person wrote, with the line of each value, so that errors can name it."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from lfmvl_ros.core.safe_text import shortened
from lfmvl_ros.core.settings import nearest_name
from lfmvl_ros.core.yaml_text import compose_yaml, parse_yaml

MAX_BYTES = 1 << 20
MAX_NODES = 20_000  # a few anchors can multiply into billions of nodes
_TAG = "tag:yaml.org,2002:"
# A merged key would have the line of another mapping, and YAML 1.2 has no merge keys any more.
_NO_MERGE = (
    "merge keys of YAML are not supported; write the keys themselves (*name works for a value)"
)


@dataclass
class Problems:
    """What is wrong with a file, all of it, each with its line.

    Attributes:
        name: of the file, for the messages.
    """

    name: str
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, what: str) -> None:
        """Note a problem of a line, counted from 1."""
        self._found.append((line, what))

    def __bool__(self) -> bool:
        return bool(self._found)

    def lines(self) -> list[str]:
        """Return the problems as ``file:line: what``, in the order of the file."""
        return [f"{self.name}:{line}: {what}" for line, what in sorted(dict.fromkeys(self._found))]


class YamlValue:
    """A value of a YAML file, with its line and path.

    Attributes:
        line: counted from 1.
        path: such as ``rules.person_in_aisle.zone``; "" for the whole file.
    """

    def __init__(self, node: yaml.Node, path: str, problems: Problems) -> None:
        self._node, self._problems = node, problems
        self.line, self.path = node.start_mark.line + 1, path

    def problem(self, what: str) -> None:
        """Record an error of this value."""
        self._problems.add(self.line, f"{self.path}: {what}" if self.path else what)

    @property
    def shown(self) -> str:
        """The value as a message shows it."""
        if isinstance(self._node, yaml.ScalarNode):
            text = shortened(str(self._node.value), 60)
            is_plain = self._node.style is None and self._node.tag != f"{_TAG}str"
            return (text or "nothing") if is_plain else repr(text)
        return "a mapping" if isinstance(self._node, yaml.MappingNode) else "a list"

    def mapping(self, what: str) -> dict[str, YamlValue]:
        """Return the values by key; notes a problem and returns nothing for other things.

        Nothing is returned for a mapping with a merge key either.

        Args:
            what: is expected, for the message.
        """
        if not isinstance(self._node, yaml.MappingNode):
            self.problem(f"expected {what}, got {self.shown}")
            return {}
        found: dict[str, YamlValue] = {}
        for key, value in self._node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            shown = shortened(name, 60)
            path = f"{self.path}.{shown}" if self.path else shown
            item = YamlValue(value, path, self._problems)
            if key.tag == f"{_TAG}merge":
                self._problems.add(key.start_mark.line + 1, f"{path}: {_NO_MERGE}")
                return {}  # what it needs may come from there: say nothing false about it
            if not name:
                self._problems.add(key.start_mark.line + 1, f"{self.path}: a key must be a word")
            elif name in found:
                line = key.start_mark.line + 1
                before = found[name].line
                self._problems.add(line, f"{path}: stands here twice (first in line {before})")
            else:
                found[name] = item
        return found

    def items(self, what: str) -> list[YamlValue]:
        """Return the values of a list; notes a problem and returns nothing for other things."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.problem(f"expected {what}, got {self.shown}")
            return []
        return [
            YamlValue(node, f"{self.path}[{index}]", self._problems)
            for index, node in enumerate(self._node.value)
        ]

    @property
    def is_list(self) -> bool:
        """True for a list."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_blank(self) -> bool:
        """True for a text without a word in it."""
        node = self._node
        is_text = isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str"
        return is_text and not node.value.strip()

    def text(self) -> str:
        """Return a text; notes a problem and returns "" for other things."""
        node = self._node
        if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_TAG}null":
            self.problem(f"expected a text, got {self.shown}")
            return ""
        if node.tag != f"{_TAG}str":
            self.problem(f"expected a text, got {self.shown}; put it in quotes")
            return ""
        return str(node.value)

    def number(self, low: float, high: float, unit: str = "") -> float | None:
        """Return a number within limits; notes a problem and returns None for other things."""
        node, value = self._node, math.nan
        if isinstance(node, yaml.ScalarNode) and node.tag in (f"{_TAG}int", f"{_TAG}float"):
            # What looks like a number may be none (`0x_`, `._`), or be too long for a float.
            with contextlib.suppress(ValueError, OverflowError):
                loaded = parse_yaml(node.value)
                value = float(loaded) if isinstance(loaded, (int, float)) else math.nan
        other = self._read_otherwise()
        if other or not low <= value <= high:
            word = f" {unit}" if unit else ""
            self.problem(
                f"expected a number from {low:g} to {high:g}{word}, got {self.shown}{other}"
            )
            return None
        return value

    def _read_otherwise(self) -> str:
        """Return how a number is meant to be written that YAML 1.1 does not read as people do."""
        node = self._node
        if not isinstance(node, yaml.ScalarNode):
            return ""
        if node.tag == f"{_TAG}int" and re.fullmatch(r"[-+]?0[\d_]+", node.value):
            return ", which YAML reads as octal; leave out the 0 at its beginning"
        if node.tag == f"{_TAG}str":
            with contextlib.suppress(ValueError, OverflowError):
                if math.isfinite(value := float(node.value)):
                    return f", which YAML reads as a text; write {value:g}"
        return ""

    def flag(self) -> bool:
        """Return true or false; notes a problem and returns False for other things."""
        node = self._node
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}bool":
            with contextlib.suppress(ValueError):  # `!!bool "["`
                loaded = parse_yaml(node.value)
                if isinstance(loaded, bool):  # not of `!!bool "no way"`
                    return loaded
        self.problem(f"expected true or false, got {self.shown}")
        return False

    def choice(self, words: Iterable[str], what: str) -> str:
        """Return one of some words; notes a problem with the nearest one and returns ""."""
        known = list(words)
        text = self.text()
        if text and text not in known:
            self.problem(unknown(text, known, what))
            return ""
        return text

    def refuse_unknown(self, values: Mapping[str, YamlValue], known: Iterable[str]) -> None:
        """Note each key that is not among ``known``."""
        names = list(known)
        for name, value in values.items():
            if name not in names:
                where = f"{self.path}: " if self.path else ""
                self._problems.add(value.line, where + unknown(name, names, "key"))


def unknown(word: str, known: list[str], what: str) -> str:
    """Return that there is no such word, and which one was probably meant."""
    near = nearest_name(word, known)
    if near is not None:
        return f"there is no {what} {shortened(word, 60)!r}; did you mean {near!r}?"
    listed = ", ".join(known) if known else "none"
    return f"there is no {what} {shortened(word, 60)!r}; there is: {listed}"


def parse(text: str, problems: Problems) -> YamlValue | None:
    """Return the document of a YAML text; None for an empty one, or with a problem for no YAML."""
    try:
        node = compose_yaml(text)
        if node is not None and _size(node) > MAX_NODES:
            problems.add(1, f"holds more than {MAX_NODES:,} values; are anchors nested?")
            return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark.line + 1 if mark else 1, f"is no YAML: {error.problem or error.context}")
        return None
    except (yaml.YAMLError, ValueError) as error:
        problems.add(1, f"can't be read: {str(error).splitlines()[0][:200]}")
        return None
    return None if node is None else YamlValue(node, "", problems)


def _size(root: yaml.Node) -> int:
    """Return how many values a document has, counted up to the limit."""
    waiting, count = [root], 0
    while waiting and count <= MAX_NODES:
        node = waiting.pop()
        count += 1
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
    return count
