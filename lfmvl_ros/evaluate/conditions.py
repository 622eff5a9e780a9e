# SPDX-License-Identifier: Apache-2.0
"""Conditions under which an evaluation counts as failed, for CI: ``recall<0.8``, ``worse``."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.known_labels import KnownLabels
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.settings import nearest_name
from lfmvl_ros.evaluate.comparison import MORE_IS_BETTER

OF_TRACKS = ("hota", "deta", "assa", "mota", "idf1", "id_switches")
"""Figures of video sequences."""
OF_IMAGES = (*MORE_IS_BETTER, "ap50", "ece")
"""Figures of labelled images."""
FIGURES = (*OF_IMAGES, *OF_TRACKS)
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_FORM = re.compile(r"([a-z0-9_]+)(?:\[([^\]]+)\])?\s*(<=|>=|<|>)\s*([0-9.eE+-]+)")
_PERFORMED = ("precision", "recall", "f1", "mean_iou", *OF_TRACKS)


@dataclass(frozen=True)
class Condition:
    """A condition under which the evaluation fails.

    Attributes:
        text: as it was written.
        figure: its name; "" for ``worse``.
        label: of a label's own figure; "" for the overall one.
        comparison: ``<``, ``<=``, ``>`` or ``>=``.
        limit: that the figure is compared with.
    """

    text: str
    figure: str = ""
    label: str = ""
    comparison: str = "<"
    limit: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read ``recall<0.8``, ``precision[forklift]<0.9`` or ``worse``.

        Raises:
            UserError: it is something else.
        """
        stripped = text.strip()
        if stripped == "worse":
            return cls(stripped)
        match = _FORM.fullmatch(stripped)
        known = _PERFORMED if match and match[2] else FIGURES
        try:
            if match is None or match[1] not in known:
                raise ValueError
            return cls(stripped, match[1], match[2] or "", match[3], float(match[4]))
        except ValueError:
            near = None if match is None else nearest_name(match[1], known)
            meant = f" ({near!r} is near)" if near and match and near != match[1] else ""
            raise UserError(
                f"--fail-if {text!r} can't be read{meant}; write a figure, < or > and a number, "
                "such as 'recall<0.8' or 'recall[person]<0.9', or 'worse'. Figures: "
                f"{', '.join(FIGURES)}; of a label: {', '.join(_PERFORMED)}"
            ) from None


def check_figures(conditions: Iterable[Condition], *, film: bool) -> None:
    """Refuse conditions on figures that this kind of data does not have.

    Args:
        conditions: of ``--fail-if``.
        film: the data is a film; else labelled images.

    Raises:
        UserError: there is one; the message names the figures that there are.
    """
    there = OF_TRACKS if film else OF_IMAGES
    of, other = ("a film", "labelled images") if film else ("labelled images", "a film")
    for condition in conditions:
        if condition.figure and condition.figure not in there:
            raise UserError(
                f"--fail-if {condition.text!r}: {condition.figure} is measured on {other} only; "
                f"the figures of {of} are {', '.join(there)}"
            )


def check_labels(conditions: Iterable[Condition], labels: Iterable[str]) -> None:
    """Refuse conditions on a label that has no figures of its own.

    Args:
        conditions: of ``--fail-if``.
        labels: that are annotated and asked for.

    Raises:
        UserError: there is one; the message names the nearest label.
    """
    known = KnownLabels(tuple(labels))
    for condition in conditions:
        if condition.label and known.unlisted([condition.label]):
            near = known.nearest(condition.label)
            meant = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
            raise UserError(
                f"--fail-if {condition.text!r}: {condition.label!r} is not among the labels that "
                f"are annotated and asked for ({', '.join(known.labels)}){meant}"
            )


def check_expressions(conditions: Iterable[Condition], *, asked: bool, why_not: str) -> None:
    """Refuse conditions on referring expressions where none is asked for.

    Args:
        conditions: of ``--fail-if``.
        asked: some are.
        why_not: the reason, as the end of the message.

    Raises:
        UserError: there is one.
    """
    for condition in conditions:
        if condition.figure == "referring" and not asked:
            raise UserError(f"--fail-if {condition.text!r}: {why_not}")


def failures(conditions: list[Condition], document: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each condition that holds; a figure that is missing counts, too."""
    found: list[str] = []
    for condition in conditions:
        if not condition.figure:
            found += _worse(document)
        else:
            found += [
                sentence for entry in document["models"] if (sentence := _broken(condition, entry))
            ]
    return found


def _broken(condition: Condition, entry: Mapping[str, Any]) -> str:
    value = _value(condition, entry)
    if value is None:
        return f"{entry['model']}: {condition.text}: there is no {condition.figure} to compare"
    if _COMPARE[condition.comparison](value, condition.limit):
        return f"{entry['model']}: {condition.text}: it is {value:g}"
    return ""


def _value(condition: Condition, entry: Mapping[str, Any]) -> float | None:
    figures: Mapping[str, Any] | None = entry["figures"]
    if condition.label:
        wanted = fold_label(condition.label)
        figures = next((e for e in entry["labels"] if fold_label(e["label"]) == wanted), None)
    found = None if figures is None else figures.get(condition.figure)
    return None if found is None else found["value"]


def _worse(document: Mapping[str, Any]) -> list[str]:
    return [
        f"{each['after']} is worse than {each['before']}: {entry['figure']} {entry['before']:g} -> "
        f"{entry['after']:g} (difference {entry['low']:g} to {entry['high']:g})"
        for each in document["comparisons"]
        for entry in each["figures"]
        if entry["verdict"] == "worse" and not entry["figure"].startswith("latency")
    ]
