# SPDX-License-Identifier: Apache-2.0
"""Events against planned times: found, missed, false, and how late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEAST_S = 3.0  # what lasts shorter need not be found
SLACK_S = 0.5


def spans(holds: Sequence[bool], rate_hz: float) -> list[tuple[float, float]]:
    """Return from when to when something holds, s.

    >>> spans([False, True, True, False], 1.0)
    [(1.0, 3.0)]
    """
    found: list[tuple[float, float]] = []
    for index, held in enumerate([*holds, False]):
        if held and (index == 0 or not holds[index - 1]):
            found.append((index / rate_hz, len(holds) / rate_hz))
        elif not held and index > 0 and holds[index - 1]:
            found[-1] = (found[-1][0], index / rate_hz)
    return found


@dataclass
class EventMatch:
    """Events of rules compared with what happened.

    What lasts :data:`LEAST_S` has to be found, by one event that begins while it lasts. Another
    event is false, also a second one of the same.
    """

    happened: int = 0
    found: int = 0
    false: int = 0
    delays_s: list[float] = field(default_factory=list)

    def add(
        self,
        truth: Sequence[tuple[float, float]],
        events: Sequence[tuple[float, float]],
        until_s: float,
    ) -> None:
        """Add what one rule should have found and did find, s; nothing counts after ``until_s``."""
        taken: set[int] = set()
        for begin_s, _ in events:
            for number, (first_s, last_s) in enumerate(truth):
                if first_s - SLACK_S <= begin_s <= last_s + SLACK_S and number not in taken:
                    taken.add(number)
                    if last_s - first_s >= LEAST_S:
                        self.delays_s.append(max(begin_s - first_s, 0.0))
                    break
            else:
                self.false += 1
        for number, (first_s, last_s) in enumerate(truth):
            if min(last_s, until_s) - first_s >= LEAST_S:
                self.happened += 1
                self.found += number in taken

    def figures(self) -> dict[str, Any]:
        """Return the figures as they are printed."""
        named = 2 * self.found + self.false + (self.happened - self.found)
        delay = round(float(np.median(self.delays_s)), 2) if self.delays_s else None
        return {
            "happened": self.happened,
            "found": self.found,
            "false": self.false,
            "f1": round(2 * self.found / named, 3) if named else None,
            "delay_s": delay,
        }
