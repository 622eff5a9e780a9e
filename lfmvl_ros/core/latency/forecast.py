# SPDX-License-Identifier: Apache-2.0
"""What the next answers will take: the spread of recent ones, had their images cost this much."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lfmvl_ros.core.latency.answer_time import AnswerWork, ImageWork, Machine
from lfmvl_ros.core.latency.ladder import Rung

SHARE_WITHIN = 0.8
"""Of the answers: as many are to stay within a target."""
_LEAST_BAND, _MOST_BAND, _BAND_OF_SPREAD = 0.05, 0.2, 0.35


@dataclass(frozen=True)
class PastAnswer:
    """One answer whose time is known; ``number`` is that of :attr:`Machine.answers`."""

    number: int
    image: ImageWork
    answer: AnswerWork
    total_s: float


class Forecast:
    """What answers take with each rung, from the machine and the stream's recent answers.

    Each recent answer is taken once more: the image's part as the rung makes it, the answer's
    part as it was, and off from what is expected by the same factor as it was.
    """

    def __init__(self, machine: Machine, recent: tuple[PastAnswer, ...]) -> None:
        self._machine = machine
        self._written: list[tuple[float, float]] = []
        for seen in recent:
            if seen.number >= machine.since:
                write_s = machine.answer_s(seen.answer)
                usual_s = machine.image_s(seen.image) + write_s
                self._written.append((write_s, seen.total_s / max(usual_s, 1e-9)))

    def __len__(self) -> int:
        return len(self._written)

    def seconds(self, rung: Rung, share: float = SHARE_WITHIN) -> float:
        """Return what this share of the answers is expected to take at most.

        Of two or more answers the slowest never decides.
        """
        image_s = self._machine.image_s(rung.work)
        taken = sorted((image_s + write_s) * factor for write_s, factor in self._written)
        return taken[math.floor(share * (len(taken) - 1))]

    def band(self, rung: Rung) -> float:
        """Return how far from the target, relative, nothing is called for."""
        half = self.seconds(rung, 0.5)
        spread = self.seconds(rung) / half - 1 if half > 0 else 0.0
        return min(max(_BAND_OF_SPREAD * spread, _LEAST_BAND), _MOST_BAND)

    def highest(self, rungs: tuple[Rung, ...], target_s: float) -> int:
        """Return the index of the last rung that is expected within the target, -1 for none."""
        low, high = 0, len(rungs)
        while low < high:
            middle = (low + high) // 2
            if self.seconds(rungs[middle]) <= target_s:
                low = middle + 1
            else:
                high = middle
        return low - 1
