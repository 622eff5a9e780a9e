# SPDX-License-Identifier: Apache-2.0
"""What a model still finds in degraded copies of the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lfmvl_ros.evaluate.answers import Change, JudgedAnswer
from lfmvl_ros.evaluate.degrade import DEGRADATIONS
from lfmvl_ros.evaluate.figures import sums_of
from lfmvl_ros.evaluate.table import outcomes, table_of

_FIGURES = ("precision", "recall", "f1", "mean_iou")


def robustness(
    answer: Callable[[Change | None, str], Sequence[JudgedAnswer]], images: int
) -> list[dict[str, Any]]:
    """Return an entry for the images as they are, and for each degradation at each level.

    Args:
        answer: asks the questions about the changed images; given the change and a title.
        images: how many images the set has.
    """
    entries = [_entry("as they are", "", None, answer(None, "as they are"), images)]
    for name, (change, unit, levels) in DEGRADATIONS.items():
        for level in levels:

            def changed(
                pixels: Any, boxes: Any, how: Any = change, much: float = level
            ) -> tuple[Any, Any]:
                return how(pixels, boxes, much)  # type: ignore[no-any-return]

            done = answer(changed, f"{name} {level:g}")
            entries.append(_entry(name, unit, level, done, images))
    return entries


def _entry(
    name: str, unit: str, level: float | None, judged: Sequence[JudgedAnswer], images: int
) -> dict[str, Any]:
    table = table_of(judged, images)
    return {
        "degradation": name,
        "level": level,
        "unit": unit,
        "answers": len(judged),
        **sums_of(table, answers=table.headline).figures(*_FIGURES),
        "outcomes": outcomes(judged),
    }
