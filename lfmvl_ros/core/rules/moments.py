# SPDX-License-Identifier: Apache-2.0
"""Rules about what happens at one time: an object leaves, appears or vanishes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.rules.event import EndReason, Event, EventTrack
from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.holding import Held
from lfmvl_ros.core.rules.named_apart import SAME_IOU
from lfmvl_ros.core.rules.progress import (
    LONG_AGO_NS,
    AnswerEvidence,
    Candidate,
    RuleProgress,
)
from lfmvl_ros.core.timeline import NS

_NEW_S = 1.0  # for so long after it is confirmed and believed, an object counts as new
_KEPT = 1000  # ids of tracks that are remembered


@dataclass
class _MomentProgress(RuleProgress):
    """Its events end by themselves, after ``hold_s``."""

    def _follow(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        stamp_ns, hold_s = facts.tracks.stamp_ns, self.rule.hold_s
        events = [
            self._end(key, facts, EndReason.OVER, evidence)
            for key, one in list(self.open.items())
            if (stamp_ns - one.event.begin_ns) * NS >= hold_s
        ]
        return events + self._happened(facts, now, evidence)

    @abstractmethod
    def _happened(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        """Return the events that begin at a frame."""

    def _begin_all(
        self, rows: list[int], facts: Facts, now: Held, evidence: AnswerEvidence
    ) -> list[Event]:
        """Begin the events of some tracks, unless the rule cools down."""
        events = []
        for row in rows:
            key = int(facts.ids[row])
            if facts.tracks.stamp_ns < self.cool_until_ns or key in self.open:
                self.counts.suppressed += 1
                continue
            events.append(self._begin(key, facts, now, (row,), evidence))
        return events


@dataclass
class LeaveProgress(_MomentProgress):
    """An object that was in the zone is outside it, for ``for_s``."""

    _inside: set[int] = field(default_factory=set)

    def _happened(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        return self._begin_all(self._left(facts, now), facts, now, evidence)

    def _forget(self) -> None:
        super()._forget()
        self._inside.clear()

    def _left(self, facts: Facts, now: Held) -> list[int]:
        rule, stamp_ns = self.rule, facts.tracks.stamp_ns
        if now.inside is not None:
            certain = (now.inside * facts.trust(rule) >= rule.probability) & facts.confirmed
            self._inside |= set(facts.ids[certain].tolist())
        found = []
        for key in list(self._inside):
            row = facts.row_of.get(key, -1)
            if row < 0:
                self.candidates.pop(key, None)
                if len(self._inside) > _KEPT:
                    self._inside.discard(key)
                continue
            out = now.probability[row]
            if out < rule.release:
                self.candidates.pop(key, None)
            elif out >= rule.probability and facts.confirmed[row]:
                candidate = self.candidates.setdefault(key, Candidate(stamp_ns, 0))
                if (stamp_ns - candidate.since_ns) * NS >= rule.for_s:
                    del self.candidates[key]
                    self._inside.discard(key)
                    found.append(row)
        return found


@dataclass
class AppearProgress(_MomentProgress):
    """A new object is confirmed."""

    _known: dict[int, int] = field(default_factory=dict)  # id -> first confirmed and believed at

    def _happened(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        return self._begin_all(self._new(facts, now), facts, now, evidence)

    def _forget(self) -> None:
        super()._forget()
        self._known.clear()

    def _new(self, facts: Facts, now: Held) -> list[int]:
        stamp_ns, found = facts.tracks.stamp_ns, []
        trust = facts.trust(self.rule)
        # Not from its first frame on: it may be doubted for longer than it counts as new.
        believed = facts.existence * trust >= self.rule.probability
        for row in np.flatnonzero(facts.confirmed & believed).tolist():
            key = int(facts.ids[row])
            first_ns = self._known.setdefault(key, stamp_ns)
            young = (stamp_ns - first_ns) * NS <= _NEW_S
            if young and now.probability[row] * trust[row] >= self.rule.probability:
                self._known[key] = LONG_AGO_NS  # new only once
                found.append(row)
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return found


@dataclass
class _Present:
    """A confirmed object, as it was last there."""

    facts: Facts  # of the frame where it was last
    row: int
    serial: int
    probability: float
    gone_ns: int | None = None

    @property
    def box(self) -> FloatArray:
        """Where it was, x1, y1, x2, y2 in px."""
        return np.asarray(self.facts.tracks.xyxy_px[self.row])


@dataclass
class VanishProgress(_MomentProgress):
    """A confirmed object has vanished: answers that would have named it did not."""

    _present: dict[int, _Present] = field(default_factory=dict)

    def _forget(self) -> None:
        super()._forget()
        self._present.clear()

    def _happened(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        rule, stamp_ns = self.rule, facts.tracks.stamp_ns
        events: list[Event] = []
        certain = now.probability * facts.trust(rule) >= rule.probability
        for row in np.flatnonzero(certain & facts.confirmed).tolist():
            p = float(now.probability[row])
            self._present[int(facts.ids[row])] = _Present(facts, row, evidence.serial, p)
        for key, one in list(self._present.items()):
            row = facts.row_of.get(key, -1)
            if row >= 0:
                one.gone_ns = None
                if now.probability[row] < rule.release:
                    del self._present[key]
                continue
            if one.gone_ns is None:
                one.gone_ns = stamp_ns
            looked = evidence.serial - one.serial >= rule.answers
            if self._replaced(one, facts):
                del self._present[key]
            elif looked and (stamp_ns - one.gone_ns) * NS >= rule.for_s:
                del self._present[key]
                events += self._gone(key, one, facts, evidence)
        return events

    def _gone(self, key: int, one: _Present, facts: Facts, evidence: AnswerEvidence) -> list[Event]:
        if facts.tracks.stamp_ns < self.cool_until_ns or key in self.open:
            self.counts.suppressed += 1
            return []
        track = EventTrack.of(one.facts, one.row)
        event = self._made(facts, evidence, one.probability, None, (track,))
        return [self._opened(key, event, (one.facts.tracks.xyxy_px, one.row), evidence)]

    def _replaced(self, one: _Present, facts: Facts) -> bool:
        """Whether another track of the label is where an object was."""
        label = one.facts.keys[one.row]
        same = np.array([key == label for key in facts.keys], dtype=np.bool_)
        if not same.any():
            return False
        overlap = iou_matrix(one.box[None], facts.tracks.xyxy_px[same])
        return bool((overlap >= SAME_IOU).any())
