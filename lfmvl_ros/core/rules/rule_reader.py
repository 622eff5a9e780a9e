# SPDX-License-Identifier: Apache-2.0
"""Reads one rule of a rules file: which keys its kind may have, and what their values can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.rules.condition import TrackCondition
from lfmvl_ros.core.rules.located_yaml import YamlValue, unknown
from lfmvl_ros.core.rules.rule import Kind, Point, Rule, Unanswered, Zone
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.same_label import fold_label

_DAY_S = 86400.0

# Numbers that every rule may have: key -> lowest, highest, unit.
_NUMBERS = {
    "probability": (0.01, 1.0, ""),
    "release": (0.0, 0.99, ""),
    "for_s": (0.0, _DAY_S, "s"),
    "clear_s": (0.0, 3600.0, "s"),
    "lost_s": (0.0, 3600.0, "s"),
    "cool_down_s": (0.0, _DAY_S, "s"),
    "update_s": (0.05, _DAY_S, "s"),
}
_COMMON = (
    *("when", "label", "selected", "where", "camera", "topic", "point", "zone"),
    *("review", "unanswered"),
    *_NUMBERS,
)
# Numbers of some kinds of rules: key -> lowest, highest, unit.
_OF_KINDS = {
    "hold_s": (0.05, 3600.0, "s"),
    "over_s": (0.1, 10.0, "s"),
    "answers": (1, 100, "answers"),
    "above": (0, 10_000, "objects"),
    "below": (1, 10_000, "objects"),
    "above_px_s": (0.0, 1e5, "px/s"),
    "above_m_s": (0.0, 100.0, "m/s"),
    "time_s": (0.1, 60.0, "s"),
    "distance_m": (0.01, 1000.0, "m"),
}
_MOMENT = ("hold_s",)
_ABSENCE = ("answers",)
# Kind -> further keys it may have, and what it needs: one of each group.
_KEYS: dict[Kind, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    Kind.ENTER: ((), (("zone",),)),
    Kind.LEAVE: (_MOMENT, (("zone",),)),
    Kind.DWELL: ((), (("zone",), ("for_s",))),
    Kind.COUNT: (("above", "below", *_ABSENCE), (("above", "below"),)),
    Kind.APPEAR: (_MOMENT, ()),
    Kind.VANISH: ((*_MOMENT, *_ABSENCE), ()),
    Kind.SPEED: (("above_px_s", "above_m_s", "over_s"), (("above_px_s", "above_m_s"),)),
    Kind.APPROACH: (("time_s", "distance_m", "to", "over_s"), (("time_s", "distance_m"),)),
    Kind.MISSING: (_ABSENCE, (("zone",), ("label",))),
}


class RuleReader:
    """Reads one rule.

    Args:
        name: of the rule.
        value: of the file.
        zones: that were read.
        zone_names: of all zones of the file, also those with errors.
    """

    def __init__(
        self, name: str, value: YamlValue, zones: dict[str, Zone], zone_names: Sequence[str]
    ) -> None:
        self._name, self._value = name, value
        self._zones, self._zone_names = zones, list(zone_names)
        self._keys = value.mapping("a rule with the key when")

    def read(self) -> Rule | None:
        """Return the rule; None, with problems noted, when it is wrong."""
        keys, value = self._keys, self._value
        if not keys:
            return None
        if "when" not in keys:
            value.problem(f"needs the key when: one of {', '.join(kind.value for kind in Kind)}")
            return None
        word = keys["when"].choice([kind.value for kind in Kind], "kind of rule")
        if not word:
            return None
        kind = Kind(word)
        further, needed = _KEYS[kind]
        value.refuse_unknown(keys, (*_COMMON, *further))
        for group in needed:
            given = [key for key in group if key in keys]
            if not given:
                value.problem(f"{word} needs {' or '.join(group)}")
            if len(given) > 1:
                value.problem(f"{word} takes one of {' and '.join(group)}, not both")
        fields = self._fields(kind)
        self._check(kind, fields)
        return Rule(self._name, kind, text=self._text(), **fields)

    def _text(self) -> str:
        """Return the content of the rule as text, to recognise whether it was changed."""
        return repr([(key, _plain(item)) for key, item in sorted(self._keys.items())])

    def _fields(self, kind: Kind) -> dict[str, Any]:
        keys = self._keys
        fields: dict[str, Any] = {}
        for key, (low, high, unit) in {**_NUMBERS, **_OF_KINDS}.items():
            if key in keys and (number := keys[key].number(low, high, unit)) is not None:
                fields[key] = number
        for key in ("above", "below", "answers"):
            if key in fields and fields[key] != int(fields[key]):
                keys[key].problem(f"expected a whole number, got {fields[key]:g}")
        if "answers" in fields:
            fields["answers"] = int(fields["answers"])
        for unit in ("px_s", "m_s"):
            if (limit := fields.pop(f"above_{unit}", None)) is not None:
                fields["above"], fields["metric"] = limit, unit == "m_s"
        fields["metric"] = fields.get("metric", False) or "distance_m" in fields
        readers: dict[str, tuple[str, Callable[[YamlValue], Any]]] = {
            "label": ("labels", _labels),
            "to": ("to", _labels),
            "zone": ("zone", self._zone),
            "point": ("point", _point),
            "camera": ("camera", YamlValue.text),
            "selected": ("selected", YamlValue.flag),
            "topic": ("topic", YamlValue.flag),
            "review": ("review", YamlValue.flag),
            "unanswered": ("unanswered", _unanswered),
            "where": ("where", _condition),
        }
        for key, (name, read) in readers.items():
            if key in keys:
                fields[name] = read(keys[key])
        if "over_s" not in fields and (time_s := fields.get("time_s")) is not None:
            # In this time a box must grow by more than the uncertainty of its height (about 7 %).
            fields["over_s"] = min(max(Rule.over_s, time_s / 3), _OF_KINDS["over_s"][1])
        if kind is Kind.VANISH:  # the tracker has waited for several answers already
            fields.setdefault("answers", 1)
        return fields

    def _zone(self, value: YamlValue) -> Zone | None:
        name = value.text()
        if name and name not in self._zone_names:
            value.problem(unknown(name, self._zone_names, "zone"))
        return self._zones.get(name)

    def _check(self, kind: Kind, fields: dict[str, Any]) -> None:
        probability, release = fields.get("probability", 0.8), fields.get("release", 0.5)
        if release >= probability:
            where = self._keys.get("release", self._keys.get("probability", self._value))
            where.problem(
                f"release ({release:g}) must be below probability ({probability:g}), or events "
                "would begin and end with every frame"
            )
        zone = fields.get("zone")
        if zone is not None and zone.frame and "point" in self._keys:
            self._keys["point"].problem("is about zones in the image; this one is in metres")
        if kind is Kind.MISSING and zone is not None and zone.frame:
            self._keys["zone"].problem(
                "missing needs a zone in the image: only there it is known what hides it"
            )
        if fields.get("selected") and "label" not in self._keys:
            self._keys["selected"].problem("needs the labels that may be selected: label")
        if "to" in self._keys and "distance_m" not in self._keys:
            self._keys["to"].problem("goes with distance_m")
        if kind is Kind.DWELL and fields.get("for_s") == 0:
            self._keys["for_s"].problem("must be above 0 s for dwell; enter begins at once")
        if "answers" in self._keys and kind is Kind.COUNT and "below" not in self._keys:
            self._keys["answers"].problem("goes with below: what is there needs no waiting")


def _point(value: YamlValue) -> Point:
    word = value.choice([point.value for point in Point], "point")
    return Point(word) if word else Point.FOOT


def _unanswered(value: YamlValue) -> Unanswered:
    word = value.choice([choice.value for choice in Unanswered], "choice")
    return Unanswered(word) if word else Unanswered.DROP


def _condition(value: YamlValue) -> TrackCondition | None:
    if value.is_blank:
        value.problem("is empty; leave it out, or write a condition such as confidence > 0.8")
        return None
    text = value.text()
    try:
        return TrackCondition(text) if text else None
    except UserError as error:
        value.problem(str(error))
        return None


def _labels(value: YamlValue) -> tuple[str, ...]:
    """Return one label or a list of them."""
    items = value.items("a list of labels") if value.is_list else [value]
    labels = tuple(safe_text(item.text()) for item in items)
    if not labels or not all(labels):
        value.problem("names no object")
        return labels
    try:
        Query.of_labels(labels)  # these labels must also be allowed in a query
    except UserError as error:
        value.problem(str(error))
    folded = [fold_label(label) for label in labels]
    if len(set(folded)) != len(folded):
        value.problem("names the same label twice")
    return labels


def _plain(item: YamlValue) -> Any:
    return [_plain(part) for part in item.items("")] if item.is_list else item.shown
