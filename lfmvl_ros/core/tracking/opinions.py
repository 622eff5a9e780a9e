# SPDX-License-Identifier: Apache-2.0
"""What a second model said about single tracks, as evidence beside that of the answers.

An answer of the tracked model and a second opinion are different sources: the first model repeats
its own errors, so that its evidence stops at 99 % however often it answers. An opinion therefore
has log-odds of its own, which are added (Bayes' rule for independent observations). Of several
opinions about a track, which show it to the same model under nearly the same view, each older one
counts half as much. What was seen a while ago may have been exchanged since, so all of it fades.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.timeline import NS, check_stamp
from lfmvl_ros.core.tracking import life
from lfmvl_ros.core.tracking.evidence import EXCHANGE_S
from lfmvl_ros.core.tracking.measurement import label_key
from lfmvl_ros.core.tracking.table import Table

# How much likelier each opinion is about a track that is right than about one that is wrong, and
# the reverse (docs/opinion.md has the measurement).
AGREE_RATIO, DISAGREE_RATIO = 9.0, 4.0
# Most that a calibrated confidence may count: as for labels, 0.95.
MOST_RATIO = 19.0
OLDER = 0.5
MOST_LOG_ODDS = life.CEILING
KEPT = 4
"""Opinions kept of a track; an older one would count less than a tenth."""


class Stance(str, Enum):
    """What a second model says: ``agree``: the object is there; ``disagree``: it is not."""

    AGREE = "agree"
    DISAGREE = "disagree"


@dataclass(frozen=True)
class Opinion:
    """What a second model said about one track.

    Attributes:
        id: of the track.
        label: that it was asked about, the track's at that time.
        stance: what it said.
        stamp_ns: of the frame that the crop is from.
        confidence: calibrated confidence in the box with which it agrees; None where it has none.
        model: that said it.

    Raises:
        ValueError: the confidence is not in [0, 1], or the stamp is no integer.
    """

    id: int
    label: str
    stance: Stance
    stamp_ns: int
    confidence: float | None = None
    model: str = ""

    def __post_init__(self) -> None:
        check_stamp("Opinion.stamp_ns", self.stamp_ns)
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"Opinion.confidence must lie in [0, 1], got {self.confidence}")

    @property
    def log_odds(self) -> float:
        """Logarithm of its likelihood ratio: how much it adds to the log-odds of existence.

        An agreement with a calibrated confidence c counts c / (1 - c), at most 19, and never
        against the track; one without counts 9. A contradiction has no confidence: 1 / 4.

        >>> round(Opinion(1, "person", Stance.AGREE, 0, confidence=0.8).log_odds, 3)
        1.386
        """
        if self.stance is Stance.DISAGREE:
            return -math.log(DISAGREE_RATIO)
        if self.confidence is None:
            return math.log(AGREE_RATIO)
        ratio = self.confidence / max(1 - self.confidence, 1 / (1 + MOST_RATIO))
        return math.log(min(max(ratio, 1.0), MOST_RATIO))

    def to_dict(self, now_ns: int) -> dict[str, Any]:
        """Return the field ``opinion`` of a track in ``track_states``.

        Args:
            now_ns: stamp of the tracks.
        """
        age_s = max((now_ns - self.stamp_ns) * NS, 0.0)
        return {"says": self.stance.value, "age_s": round(age_s, 3), "model": self.model}


def added(opinions: Sequence[Opinion], opinion: Opinion) -> tuple[Opinion, ...]:
    """Return opinions in the order of their frames, with one more; of each track the newest few.

    One about the same frame replaces the one before.
    """
    key = (opinion.id, opinion.stamp_ns)
    every = [other for other in opinions if (other.id, other.stamp_ns) != key]
    ours = sorted([o for o in every if o.id == opinion.id] + [opinion], key=_stamp)[-KEPT:]
    return tuple(sorted([o for o in every if o.id != opinion.id] + ours, key=_stamp))


def _stamp(opinion: Opinion) -> int:
    return opinion.stamp_ns


def of_ids(opinions: Iterable[Opinion], ids: Iterable[int]) -> tuple[Opinion, ...]:
    """Return those about the tracks ``ids``."""
    known = set(ids)
    return tuple(opinion for opinion in opinions if opinion.id in known)


def newest(opinions: Iterable[Opinion]) -> dict[int, Opinion]:
    """Return the newest of each track, by id, of opinions in the order of their frames."""
    return {opinion.id: opinion for opinion in opinions}


def with_opinions(
    table: Table,
    opinions: Sequence[Opinion],
    settings: TrackerSettings,
    *,
    calibrated: bool,
    before_ns: int | None = None,
) -> Table:
    """Return the tracks with what a second model said about them, and no other change.

    One that says that a track is right may be what confirms it.

    Args:
        table: the tracks after an answer.
        opinions: in the order of their frames; those about other ids, or about a label that a track
            has no longer, do not count.
        settings: of the tracker.
        calibrated: whether the confidences of the answers are calibrated.
        before_ns: stamp of the next answer, which later opinions come after; None: there is none.
    """
    if not opinions and not table.second.any():
        return table
    second = np.zeros(len(table))
    if opinions:
        rows = {key: row for row, key in enumerate(table.ids.tolist())}
        last_ns = np.full(len(table), table.stamp_ns, dtype=np.int64)
        for opinion in opinions:
            row = rows.get(opinion.id)
            late = before_ns is not None and opinion.stamp_ns >= before_ns
            if row is None or late:
                continue
            if table.vocabulary[int(table.label[row])] == label_key(opinion.label):
                second[row] = OLDER * second[row] + opinion.log_odds
                last_ns[row] = opinion.stamp_ns
        age_s = np.maximum((table.stamp_ns - last_ns) * NS, 0.0)
        second = np.clip(second, -MOST_LOG_ODDS, MOST_LOG_ODDS) * np.exp(-age_s / EXCHANGE_S)
    if np.array_equal(second, table.second):
        return table
    sure = is_confirmed(table.log_odds, table.confidence, second, calibrated, settings)
    return table.changed(second=second, confirmed=table.confirmed | (second > 0) & sure)


def is_confirmed(
    log_odds: FloatArray,
    confidence: FloatArray,
    second: FloatArray,
    calibrated: bool,
    settings: TrackerSettings,
) -> NDArray[np.bool_]:
    """Return which tracks, ``(N,)``, are confirmed by answers and a second model together.

    Args:
        log_odds: ``(N,)`` of existence, by answers.
        confidence: ``(N,)`` of the track's boxes, averaged over answers, [0, 1].
        second: ``(N,)`` log-odds that a second model adds to both.
        calibrated: whether confidences are calibrated.
        settings: of the tracker.
    """
    return life.is_confirmed(log_odds + second, raised(confidence, second), calibrated, settings)


def doubted(table: Table, calibrated: bool, settings: TrackerSettings) -> NDArray[np.bool_]:
    """Return which tracks, ``(N,)``, would not be confirmed with what a second model says against.

    By the rule for new tracks: existence of 90 %, and a confidence of ``confirm_confidence``.
    """
    sure = is_confirmed(table.log_odds, table.confidence, table.second, calibrated, settings)
    return np.asarray((table.second < 0) & ~sure)


def raised(probability: FloatArray, log_odds: FloatArray) -> FloatArray:
    """Return probabilities ``(N,)`` after evidence with these log-odds ``(N,)``, [0, 1].

    >>> raised(np.array([0.5, 0.5]), np.array([0.0, math.log(9)])).round(3).tolist()
    [0.5, 0.9]
    """
    if not log_odds.any():
        return probability
    other = (1 - probability) * np.exp(-log_odds)
    return np.asarray(np.where(log_odds == 0, probability, probability / (probability + other)))
