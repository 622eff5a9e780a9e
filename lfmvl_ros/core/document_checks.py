# SPDX-License-Identifier: Apache-2.0
"""Checks of JSON and YAML documents that Python's readers leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from lfmvl_ros.core.safe_text import quoted

# bool before int: Python's bool is one.
_JSON_KINDS = (
    (list, "a list"), (str, "a text"), (bool, "true or false"), ((int, float), "a number"),
    (object, "null"),
)  # fmt: skip


def json_kind(document: object) -> str:
    """Return what a JSON document is, for a message.

    >>> json_kind([]), json_kind(True), json_kind(0.5), json_kind(None)
    ('a list', 'true or false', 'a number', 'null')
    """
    return next(word for of, word in _JSON_KINDS if isinstance(document, of))


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object whose keys are all different; Python's reader keeps the last of two.

    Raises:
        ValueError: a key stands in it twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = _first_twice([key for key, _ in pairs])
        raise ValueError(f"the key {quoted(twice)} stands in one object twice")
    return found


def refuse_keys_twice(root: yaml.Node) -> None:
    """Refuse YAML in which a key stands in one mapping twice; PyYAML keeps the last of two.

    Raises:
        ValueError: there is one; names it, and the line of the mapping.
    """
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                twice = _first_twice(keys)
                line = node.start_mark.line + 1
                raise ValueError(f"the key {quoted(twice)} stands in the mapping of line {line} "
                                 "twice")  # fmt: skip
            waiting += [part for pair in node.value for part in pair]


def _first_twice(keys: Sequence[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return ""
