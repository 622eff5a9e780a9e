# SPDX-License-Identifier: Apache-2.0
"""When a track is confirmed and when it ends: log-odds of existence, raised or lowered by answers.

The steps follow from two settings: ``confirm_answers`` sightings raise a new track from even odds
to confirmation, ``max_missed_answers`` misses lower the most certain one to its end. A confirmed
track also needs boxes with a mean confidence of ``confirm_confidence``. Answers closer together
than ``evidence_spacing_s`` see nearly the same scene, so together they have the weight of one: the
same settings fit 4 and 30 answers per second. A model that repeats its errors also misses, or
invents, the same object repeatedly; its answers share a weight over a longer time.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, limited
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.timeline import NS

BIRTH = 0.0
CONFIRM = math.log(0.9 / 0.1)
CEILING = math.log(0.99 / 0.01)
END = math.log(0.1 / 0.9)
# A track that is missed repeatedly is hidden below END, but not lower: it may be seen again.
DEEPEST = math.log(0.02 / 0.98)
GONE = -20.0
# Stamps jitter: the last answer needed may come a quarter of the spacing early and still counts.
SLACK_ANSWERS = 0.25
# Two misses end what is not confirmed yet, or stands at the border of the image.
WEAK_MISSES = 2
FULL_SCORE = 0.5
# At most five times the spacing: the bundled checkpoint's errors correlate by 0.5 over 0.5 s.
LEAST_FRESH = 0.2
MAX_GAP_S = 10.0
GAPS_KEPT = 5
FIRST_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Cadence:
    """How often answers arrive and how late, measured from the answers themselves.

    ``gaps_s``: time between the last answers' frames, at most 5. ``delay_s``: how long
    the last one took.
    """

    gaps_s: tuple[float, ...] = ()
    delay_s: float = 0.0

    def after(self, gap_s: float | None, delay_s: float) -> Cadence:
        """Return the cadence with one more answer; ``gap_s`` is None for the first."""
        if gap_s is None or gap_s <= 0:
            return Cadence(self.gaps_s, delay_s)
        gaps = (*self.gaps_s, min(gap_s, MAX_GAP_S))[-GAPS_KEPT:]
        return Cadence(gaps, delay_s)

    def with_stamps(self, stamps_ns: Sequence[int]) -> Cadence:
        """Return the cadence of answers that arrived out of order, given their sorted stamps."""
        times = stamps_ns[-GAPS_KEPT - 1 :]
        gaps = [(b - a) * NS for a, b in itertools.pairwise(times)]
        return Cadence(tuple(min(gap, MAX_GAP_S) for gap in gaps if gap > 0), self.delay_s)

    @cached_property
    def interval_s(self) -> float:
        """Expected time between answers: the median, so that a pause does not count."""
        if not self.gaps_s:
            return max(self.delay_s, FIRST_INTERVAL_S)
        return statistics.median(self.gaps_s)

    def life_s(self, settings: TrackerSettings) -> float:
        """Longest time from the last sighting of a track to its end."""
        return max(settings.max_coast_s, settings.max_missed_answers * self.interval_s)

    @property
    def steady_s(self) -> float:
        """Time after a sighting before a track coasts: two intervals and the delay."""
        return 2 * self.interval_s + self.delay_s


def answer_weight(
    stamp_ns: int, judged_ns: NDArray[np.int64], settings: TrackerSettings, fresh: float = 1.0
) -> FloatArray:
    """Return the weight of this answer for each track, [0, 1]; 1 is an independent answer.

    Args:
        stamp_ns: of the answer's frame.
        judged_ns: ``(N,)`` last answer that counted for or against a track.
        settings: of the tracker.
        fresh: share of the model's error that differs from answer to answer, (0, 1].
    """
    elapsed_s: FloatArray = np.asarray((stamp_ns - judged_ns) * NS, dtype=np.float64)
    spacing_s = settings.evidence_spacing_s / max(fresh, LEAST_FRESH)
    return limited(elapsed_s / spacing_s, 0.0, 1.0)


def birth_log_odds(settings: TrackerSettings) -> float:
    """Return the log-odds of a track seen once; one answer may be enough to confirm it."""
    return CONFIRM if settings.confirm_answers == 1 else BIRTH


def is_confirmed(
    log_odds: FloatArray, confidence: FloatArray, calibrated: bool, settings: TrackerSettings
) -> NDArray[np.bool_]:
    """Return which tracks, ``(N,)``, have been seen often enough and with enough confidence.

    A model repeats the same false object, so the number of sightings is weak evidence if each has
    a low confidence: of the confirmed tracks with a mean confidence below one half, hardly any were
    right, however long they lived (``benchmarks/track_confidence.py``, docs/tracking.md).

    Args:
        log_odds: ``(N,)`` of existence, from the number of answers.
        confidence: ``(N,)`` of the track's boxes, averaged over answers, [0, 1].
        calibrated: whether confidences are calibrated. If not, they are ignored: raw token
            probabilities may be low for right boxes.
        settings: of the tracker.
    """
    least = settings.confirm_confidence if calibrated else 0.0
    return np.asarray((log_odds >= CONFIRM) & (confidence >= least))


def after_sight(
    log_odds: FloatArray, weight: FloatArray, score: FloatArray, settings: TrackerSettings
) -> FloatArray:
    """Return log-odds ``(N,)`` after a sighting; confidence below one half counts for less."""
    needed = max(settings.confirm_answers - 1, 1) - SLACK_ANSWERS
    step = (CONFIRM - BIRTH) / needed * weight * np.minimum(score / FULL_SCORE, 1.0)
    known = np.where(log_odds <= END, BIRTH, log_odds)
    return np.asarray(np.minimum(known + step, CEILING))


def after_miss(
    log_odds: FloatArray,
    weight: FloatArray,
    *,
    confirmed: NDArray[np.bool_],
    leaving: NDArray[np.bool_],
    settings: TrackerSettings,
    second: FloatArray | float = 0.0,
) -> FloatArray:
    """Return log-odds ``(N,)`` after a miss.

    Two misses end a track that is not confirmed yet, and any track ``leaving`` the image; others
    are hidden after ``max_missed_answers``. It takes more of them where a second model has agreed,
    fewer where it has contradicted: ``second`` ``(N,)``, which is added to the log-odds.
    """
    step = (CEILING - END) / (settings.max_missed_answers - SLACK_ANSWERS)
    steps = np.full(len(log_odds), step)
    weak = min(WEAK_MISSES, settings.max_missed_answers) - SLACK_ANSWERS
    steps[~confirmed] = (BIRTH - END) / weak
    steps[leaving] = (CEILING - END) / weak
    less = log_odds - weight * steps
    over = (less + second <= END) & (leaving | ~confirmed)
    floor = np.minimum(DEEPEST - second, log_odds)
    return np.asarray(np.where(over, GONE, np.maximum(less, floor)))
