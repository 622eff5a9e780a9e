# SPDX-License-Identifier: Apache-2.0
"""Rules that hold for a time: of each track, or of the scene as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.core.rules.event import Event
from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.holding import Held
from lfmvl_ros.core.rules.named_apart import SAME_IOU
from lfmvl_ros.core.rules.progress import (
    LONG_AGO_NS,
    SCENE,
    AnswerEvidence,
    Candidate,
    OpenEvent,
    RuleProgress,
)
from lfmvl_ros.core.timeline import NS


@dataclass
class TrackProgress(RuleProgress):
    """Enter, dwell, speed, approach: an event for each object while it holds."""

    def _follow(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        events: list[Event] = []
        needed, confirmed = self.rule.probability, facts.roster.is_confirmed
        ids, row_of, boxes = facts.id_list, facts.row_of, facts.tracks.xyxy_px
        stamp_ns, chances = facts.tracks.stamp_ns, now.probability.tolist()
        rows = [  # Python: faster than numpy for the few tracks that a rule is about
            row
            for row in facts.rows_of((self._followed or self.rule).label_keys)
            if chances[row] >= needed and confirmed[row] and ids[row] not in self.open
        ]
        believed: set[int] = set()
        if rows:
            trust = facts.trust(self.rule).tolist()
            believed = {ids[row] for row in rows if chances[row] * trust[row] >= needed}
        for row in rows:
            key = ids[row]
            if key in self.candidates or self._adopt(facts, row, evidence):
                continue
            if key in believed:
                self.candidates[key] = Candidate(stamp_ns, evidence.serial, (boxes, row))
        if self.candidates:
            events += self._lasted(facts, now, chances, believed, evidence)
        release, serial = self.rule.release, evidence.serial
        for key, one in list(self.open.items()):
            row = row_of.get(key, -1)
            holds = row >= 0 and chances[row] >= release
            if holds and stamp_ns < one.due_ns:  # most events, in most frames
                one.holds(serial, (boxes, row))
                continue
            seen = row >= 0 and confirmed[row]
            there = (row,) if row >= 0 else ()
            events += self._go_on(key, facts, now, there, holds, seen, evidence)
        return events

    def _lasted(
        self,
        facts: Facts,
        now: Held,
        chances: list[float],
        believed: set[int],
        evidence: AnswerEvidence,
    ) -> list[Event]:
        """Begin the events of candidates that have held for long enough; drop those that ceased."""
        rule, stamp_ns = self.rule, facts.tracks.stamp_ns
        events: list[Event] = []
        for key, candidate in list(self.candidates.items()):
            row = facts.row_of.get(key, -1)
            if row < 0:
                since_ns = candidate.lost_ns = candidate.lost_ns or stamp_ns
                if (stamp_ns - since_ns) * NS >= rule.lost_s:
                    del self.candidates[key]
                continue
            if candidate.lost_ns is not None:  # nobody knows what it did meanwhile
                candidate.since_ns += stamp_ns - candidate.lost_ns
            candidate.lost_ns, candidate.seen = None, (facts.tracks.xyxy_px, row)
            if chances[row] < rule.release:
                del self.candidates[key]
            elif (
                key in believed
                and (stamp_ns - candidate.since_ns) * NS >= rule.for_s
                and stamp_ns >= self.cool_until_ns
            ):
                del self.candidates[key]
                events.append(self._begin(key, facts, now, (row,), evidence))
        return events

    def _adopt(self, facts: Facts, row: int, evidence: AnswerEvidence) -> bool:
        """Continue what was known of a lost track with another one at the same place."""
        new = facts.id_list[row]
        key = _lost_at(facts, row, self.open, evidence)
        if key is not None:
            one = self.open.pop(key)
            one.failing_ns, one.serial, one.due_ns = None, evidence.serial, LONG_AGO_NS
            self.open[new] = one
            return True
        key = _lost_at(facts, row, self.candidates, evidence)
        if key is not None:
            self.candidates[new] = self.candidates.pop(key)
        return key is not None


def _lost_at(
    facts: Facts, row: int, known: Mapping[int, OpenEvent | Candidate], evidence: AnswerEvidence
) -> int | None:
    """Return the id of a lost track that was where a row is; None without one.

    Not of one that an answer has named beside the row: the row is another object, which now hides
    the lost one.
    """
    if not known:
        return None
    new, found, most = facts.id_list[row], None, SAME_IOU
    for key, one in known.items():
        old = facts.row_of.get(key, -1)
        lost = not (old >= 0 and facts.confirmed[old])
        if lost and one.box is not None and not evidence.apart.are_two(key, new):
            iou = float(iou_matrix(one.box[None], facts.tracks.xyxy_px[row : row + 1])[0, 0])
            if iou >= most:
                found, most = key, iou
    return found


@dataclass
class SceneProgress(RuleProgress):
    """Count and missing: at most one event at a time."""

    _serial: int = 0  # of evidence at the frame before

    def _follow(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        events = self._update(facts, now, evidence)
        self._serial = evidence.serial
        return events

    def _update(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        rule, p = self.rule, float(now.probability[0])
        stamp_ns = facts.tracks.stamp_ns
        if math.isnan(p):  # unknown: active events continue, candidates have to start again
            self.candidates.clear()
            return []
        if SCENE in self.open:
            return self._go_on(
                SCENE, facts, now, now.rows, p >= rule.release, rule.is_about_absence, evidence
            )
        if p < rule.release:
            self.candidates.clear()
            return []
        confirmed = p if now.confirmed is None else now.confirmed
        if confirmed >= rule.probability and SCENE not in self.candidates:
            self.candidates[SCENE] = self._candidate(stamp_ns, evidence)
        candidate = self.candidates.get(SCENE)
        if candidate is None or confirmed < rule.probability or stamp_ns < self.cool_until_ns:
            return []
        if not self._is_due(candidate, stamp_ns, evidence):
            return []
        self.candidates.clear()
        return [self._begin(SCENE, facts, now, now.rows, evidence)]

    def _candidate(self, stamp_ns: int, evidence: AnswerEvidence) -> Candidate:
        """An absence begins at the frame of the answer that shows it, if one came just now."""
        fresh = evidence.serial > self._serial and evidence.stamp_ns is not None
        if self.rule.is_about_absence and fresh:
            assert evidence.stamp_ns is not None
            return Candidate(min(evidence.stamp_ns, stamp_ns), evidence.serial - 1)
        return Candidate(stamp_ns, evidence.serial)

    def _is_due(self, candidate: Candidate, stamp_ns: int, evidence: AnswerEvidence) -> bool:
        """Whether it has held for long enough: an absence by the stamps of answers."""
        if not self.rule.is_about_absence:
            return (stamp_ns - candidate.since_ns) * NS >= self.rule.for_s
        if evidence.stamp_ns is None or evidence.serial - candidate.serial < self.rule.answers:
            return False
        return (evidence.stamp_ns - candidate.since_ns) * NS >= self.rule.for_s
