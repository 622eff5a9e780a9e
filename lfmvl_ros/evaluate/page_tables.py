# SPDX-License-Identifier: Apache-2.0
"""Figures as text, and tables, on the scorecard's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lfmvl_ros.evaluate.figures import LEAST_IMAGES

Entry = Mapping[str, Any]


def digits(value: float | None) -> str:
    """Return a value with three decimals, without any from 10 on; a dash for none."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"


def interval(found: Entry) -> str:
    """Return the interval of a figure in square brackets; "" where it has none."""
    if found["low"] is None:
        return ""
    return f"[{digits(found['low'])},\u00a0{digits(found['high'])}]"


def no_interval(name: str, count: int) -> str:
    """Return why a figure has no interval.

    Args:
        name: of the figure.
        count: of what it was counted on.
    """
    if name.startswith("latency"):
        return "too few answers for an interval"
    return "too few images for an interval" if count < LEAST_IMAGES else (
        "too few images that differ for an interval")  # fmt: skip


def with_interval(found: Entry | None) -> str:
    """Return a figure and its interval; a dash where nothing was measured."""
    if found is None or found["value"] is None:
        return "–"
    return f"{digits(found['value'])} {interval(found)}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that scrolls sideways on a narrow screen; cells are escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def referring_part(entry: Entry | None) -> str:
    """Return the part about referring expressions as HTML; "" where none were asked."""
    if entry is None:
        return ""
    rows = [
        [item["slice"], str(item["expressions"]),
         *(with_interval(item[key]) for key in ("acc50", "answered", "mean_iou", "as_asked"))]
        for item in entry["slices"]
    ]  # fmt: skip
    head = ("the object is", "expressions", "right (IoU ≥ 0.5)", "with a box", "mean IoU",
            "labelled as asked")  # fmt: skip
    wrong = [
        [item["expression"], item["image"], digits(item["iou"]), item["label"] or "no box"]
        for item in entry["wrong"]
    ]
    listed = table(("expression", "image", "IoU", "label of the box"), wrong)
    return (
        f"<h3>Referring expressions</h3>{table(head, rows)}"
        '<p class="soft">One box for each expression, whatever its label: that of the highest '
        "confidence, of equal ones the first. Rules compare labels, so they only take a box "
        "that is labelled as asked.</p>"
        + (f"<details><summary>Expressions with a wrong box or none</summary>{listed}</details>"
           if wrong else "")
    )  # fmt: skip
