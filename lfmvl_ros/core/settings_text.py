# SPDX-License-Identifier: Apache-2.0
"""Settings as text: the commented ROS parameter file and the table in the documentation."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from lfmvl_ros.core.settings import Group, SettingInfo, Value

_WIDTH = 96


def to_yaml(settings: Group, *, only: frozenset[str] | None = None) -> str:
    """Return a ROS 2 parameter file with meaning, unit, range and default beside every value.

    Args:
        settings: what to write; the comments come from its declaration.
        only: dotted names to write; None writes all.

    Returns:
        ``/**: ros__parameters:``, nested by group, in order of declaration.
    """
    lines, values = ["/**:", "  ros__parameters:"], settings.flat()
    open_groups: tuple[str, ...] = ()
    for name, info in type(settings).describe().items():
        if only is not None and name not in only:
            continue
        *groups, leaf = name.split(".")
        if tuple(groups) != open_groups:
            lines += ["", f"    {groups[-1]}:"] if groups else [""]
            open_groups = tuple(groups)
        indent = "  " * (2 + len(groups))
        room = _WIDTH - len(indent) - 2
        lines += [f"{indent}# {line}" for line in textwrap.wrap(explain(info), room)]
        lines.append(f"{indent}{leaf}: {_scalar(values[name])}")
    return "\n".join(lines) + "\n"


def to_markdown(settings: type[Group]) -> str:
    """Return one table row a setting: name, type, default, unit, range, changeable, meaning."""
    head = ["parameter", "type", "default", "unit", "range", "at run time", "meaning"]
    rows = [head, ["---"] * len(head)]
    for info in settings.describe().values():
        change = "no" if info.read_only else "yes"
        row = [f"`{info.name}`", info.type_name, f"`{_scalar(info.default)}`", info.unit]
        rows.append([*row, _range(info), change, info.help.replace("|", r"\|")])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def explain(info: SettingInfo) -> str:
    """Return meaning, unit or choices, range, default and whether it can change, as one line."""
    return " ".join(_parts(info))


def constraints(info: SettingInfo) -> str:
    """Return the allowed values in words: ``one of a, b``, ``0 to 1 s`` or an empty string."""
    if info.choices:
        return f"one of {', '.join(info.choices)}"
    return " ".join(filter(None, (_range(info), info.unit)))


def _parts(info: SettingInfo) -> Iterator[str]:
    yield info.help
    if constraints(info):
        yield f"{'Takes' if info.choices else 'Range:'} {constraints(info)}."
    yield f"Default: {_scalar(info.default)}."
    if info.read_only:
        yield "Read at start only."


def _range(info: SettingInfo) -> str:
    if info.choices:
        return ", ".join(info.choices)
    if info.low is None or info.high is None:
        return ""
    return f"{_number(info.low)} to {_number(info.high)}"


def _number(value: float) -> str:
    return f"{value:g}" if value < 1e6 else str(int(value))


def _scalar(value: Value) -> str:
    # JSON's scalars are YAML's. Quotes keep a query such as "on" from becoming a boolean.
    return json.dumps(value, ensure_ascii=False)
