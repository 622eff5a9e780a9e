# SPDX-License-Identifier: Apache-2.0
"""Counts by reason what of a data set can't be used, and what is used otherwise than written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class LeftOut:
    """A counter of reasons, with the first example of each.

    Attributes:
        counts: how many, by reason.
        examples: the first of each reason that has one.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count something."""
        if count <= 0:
            return
        self.counts[reason] += count
        if example:
            self.examples.setdefault(reason, example)


def reason_lines(title: str, counts: Mapping[str, int], examples: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, as the console shows them.

    >>> reason_lines("left out", {"empty boxes": 2}, {"empty boxes": "a.png"})
    ['left out: 2 empty boxes, such as a.png']
    """
    return [f"{title}: {phrase}" for phrase in reason_phrases(counts, examples)]


def reason_phrases(counts: Mapping[str, int], examples: Mapping[str, str]) -> list[str]:
    """Return each reason with its count, and its example where it has one."""
    return [
        f"{count} {reason}" + (f", such as {examples[reason]}" if reason in examples else "")
        for reason, count in counts.items()
    ]
