# SPDX-License-Identifier: Apache-2.0
"""Reads a rules file: either all of it is valid, or every error is listed with its line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import MAX_LABELS
from lfmvl_ros.core.rules.located_yaml import MAX_BYTES, Problems, YamlValue, parse
from lfmvl_ros.core.rules.polygons import Polygon
from lfmvl_ros.core.rules.rule import Rule, RuleSet, Zone
from lfmvl_ros.core.rules.rule_reader import RuleReader
from lfmvl_ros.core.user_files import read_text

MAX_RULES, MAX_CORNERS = 200, 200
_SHOWN = 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def load_rules(path: Path) -> RuleSet:
    """Return the rules of a file.

    Raises:
        UserError: it can't be read, or has errors; the message lists each with its line.
    """
    return parse_rules(read_text(path, MAX_BYTES), path.name)


def parse_rules(text: str, name: str = "rules") -> RuleSet:
    """Return the rules of a YAML text.

    Args:
        text: of the file.
        name: of the file, for the messages.

    Raises:
        UserError: there are errors; the message lists each with its line.
    """
    problems = Problems(name)
    document = parse(text, problems)
    rules = RuleSet()
    if document is not None:
        rules = _rule_set(document, problems)
    elif not problems:
        problems.add(1, "is empty; a rules file has the keys zones and rules (docs/rules.md)")
    if problems:
        lines = problems.lines()
        more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        raise UserError("; ".join([*lines[:_SHOWN], *more]))
    return rules


def _rule_set(document: YamlValue, problems: Problems) -> RuleSet:
    parts = document.mapping("a mapping with the keys zones and rules")
    if not parts and not problems:
        document.problem("is empty; a rules file has the keys zones and rules (docs/rules.md)")
    document.refuse_unknown(parts, ("zones", "rules"))
    zones: dict[str, Zone] = {}
    outlines = parts["zones"].mapping("zones by name") if "zones" in parts else {}
    for name, value in outlines.items():
        _check_name(name, value)
        zone = _zone(name, value)
        if zone is not None:
            zones[name] = zone
    rules: list[Rule] = []
    bodies = parts["rules"].mapping("rules by name") if "rules" in parts else {}
    if parts and not bodies and not problems:
        document.problem("has no rules")
    if len(bodies) > MAX_RULES:
        parts["rules"].problem(f"has {len(bodies)} rules; at most {MAX_RULES} are taken")
    for name, value in list(bodies.items())[:MAX_RULES]:
        _check_name(name, value)
        rule = RuleReader(name, value, zones, sorted(outlines)).read()
        if rule is not None:
            rules.append(rule)
    found = RuleSet(zones, tuple(rules))
    if len(found.labels) > MAX_LABELS:
        parts["rules"].problem(
            f"name {len(found.labels)} labels; a query takes at most {MAX_LABELS}"
        )
    return found


def _check_name(name: str, value: YamlValue) -> None:
    if not _NAME.fullmatch(name):
        value.problem(
            "a name has at most 64 small letters, digits and _, and begins with a letter, as it "
            "becomes part of a topic"
        )


def _zone(name: str, value: YamlValue) -> Zone | None:
    keys = value.mapping("a zone: image: [[x, y], ...], or frame and metres")
    value.refuse_unknown(keys, ("image", "frame", "metres"))
    if ("image" in keys) == ("metres" in keys):
        value.problem("needs either image (corners as shares of the image) or frame and metres")
        return None
    if ("metres" in keys) != ("frame" in keys):
        value.problem("needs frame and metres together, such as frame: map")
        return None
    frame = keys["frame"].text() if "frame" in keys else ""
    corners = keys["metres"] if frame else keys.get("image", value)
    low, high = (-1e5, 1e5) if frame else (0.0, 1.0)
    rows = corners.items("a list of corners [x, y]")
    if not 3 <= len(rows) <= MAX_CORNERS:
        corners.problem(f"a zone has 3 to {MAX_CORNERS} corners, got {len(rows)}")
        return None
    points = [_corner(row, low, high, "m" if frame else "(shares of the image)") for row in rows]
    if any(point is None for point in points):
        return None
    try:
        seen = None if frame else (low, high)
        return Zone(name, Polygon(np.array(points, dtype=np.float64), seen), frame)
    except ValueError:
        corners.problem("crosses itself or has no area; give the corners in order around the zone")
        return None


def _corner(row: YamlValue, low: float, high: float, unit: str) -> tuple[float, float] | None:
    pair = row.items("a corner [x, y]")
    if len(pair) != 2:
        if row.is_list:
            row.problem(f"a corner has two numbers [x, y], got {len(pair)}")
        return None
    x, y = (item.number(low, high, unit) for item in pair)
    return None if x is None or y is None else (x, y)
