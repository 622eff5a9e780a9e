# SPDX-License-Identifier: Apache-2.0
"""Predicts the times of the next answers: recent ones, recomputed with other image tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lfmvl_ros.core.latency.answer_time import AnswerWork, ImageWork, Machine
from lfmvl_ros.core.latency.ladder import Rung

SHARE_WITHIN = 0.8
"""Share of the answers that should meet the target."""
_LEAST_BAND, _MOST_BAND, _BAND_OF_SPREAD = 0.05, 0.2, 0.35


@dataclass(frozen=True)
class PastAnswer:
    """One answer whose time is known; ``number`` is that of :attr:`Machine.answers`."""

    number: int
    image: ImageWork
    answer: AnswerWork
    total_s: float


class Forecast:
    """Predicts the time of answers with each rung, from the stream's recent answers.

    Each recent answer is computed again: with the image cost of the rung, its own decoding cost,
    and the factor by which it differed from its prediction.
    """

    def __init__(self, machine: Machine, recent: tuple[PastAnswer, ...]) -> None:
        self._machine = machine
        self._past: list[tuple[float, float]] = []
        for seen in recent:
            if seen.number >= machine.since:
                decode_s = machine.answer_s(seen.answer)
                usual_s = machine.image_s(seen.image) + decode_s
                self._past.append((decode_s, seen.total_s / max(usual_s, 1e-9)))

    def __len__(self) -> int:
        return len(self._past)

    def seconds(self, rung: Rung, share: float = SHARE_WITHIN) -> float:
        """Return the time within which this share of the answers is predicted to end.

        Of two or more answers, the slowest is never used.
        """
        image_s = self._machine.image_s(rung.work)
        taken = sorted((image_s + decode_s) * factor for decode_s, factor in self._past)
        return taken[math.floor(share * (len(taken) - 1))]

    def band(self, rung: Rung) -> float:
        """Return the relative distance from the target within which nothing changes."""
        half = self.seconds(rung, 0.5)
        spread = self.seconds(rung) / half - 1 if half > 0 else 0.0
        return min(max(_BAND_OF_SPREAD * spread, _LEAST_BAND), _MOST_BAND)

    def highest(self, rungs: tuple[Rung, ...], target_s: float) -> int:
        """Return the index of the last rung that is predicted to meet the target, -1 for none."""
        low, high = 0, len(rungs)
        while low < high:
            middle = (low + high) // 2
            if self.seconds(rungs[middle]) <= target_s:
                low = middle + 1
            else:
                high = middle
        return low - 1
