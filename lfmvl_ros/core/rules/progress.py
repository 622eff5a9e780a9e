# SPDX-License-Identifier: Apache-2.0
"""One rule over time: how its events begin, are updated and end."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules.event import EndReason, Event, EventState, EventTrack
from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.holding import HOW_HELD, Held
from lfmvl_ros.core.rules.named_apart import NamedApart
from lfmvl_ros.core.rules.rule import Rule
from lfmvl_ros.core.timeline import NS

SCENE = 0  # key of an event that belongs to no single track
LONG_AGO_NS = -(2**62)


@dataclass(frozen=True)
class AnswerEvidence:
    """What rules need to know about the model's answers beyond the tracks.

    Attributes:
        serial: number of answers so far that are evidence of absence (ok, empty, repaired).
        stamp_ns: of the frame of the newest of them; None before the first.
        asked: folded labels of the newest query; None before the first answer.
        selected: folded label that rules with ``selected`` are about; "" for none.
        apart: which tracks the answers have shown to be two objects.
    """

    serial: int = 0
    stamp_ns: int | None = None
    asked: frozenset[str] | None = None
    selected: str = ""
    apart: NamedApart = field(default_factory=NamedApart)


@dataclass
class Candidate:
    """A rule that holds, but not yet for ``for_s``."""

    since_ns: int
    serial: int
    seen: tuple[FloatArray, int] | None = None  # as of an event
    lost_ns: int | None = None  # when its track was lost; None while there is one

    @property
    def box(self) -> FloatArray | None:
        """Where its object was last, x1, y1, x2, y2 in px; None of the scene."""
        return None if self.seen is None else np.asarray(self.seen[0][self.seen[1]])


@dataclass
class OpenEvent:
    """An event that has begun."""

    event: Event
    serial: int  # of evidence when it last held
    due_ns: int  # of the next update
    seen: tuple[FloatArray, int] | None  # boxes of the tracks where its object was last; its row
    failing_ns: int | None = None

    @property
    def box(self) -> FloatArray | None:
        """Where its object was last, x1, y1, x2, y2 in px; None of an event of the scene."""
        return None if self.seen is None else np.asarray(self.seen[0][self.seen[1]])

    def holds(self, serial: int, seen: tuple[FloatArray, int] | None) -> None:
        """Note that it holds at a frame; ``seen`` as the attribute, None of the scene."""
        self.failing_ns, self.serial, self.seen = None, serial, seen


@dataclass
class RuleCounts:
    """Counters of one rule.

    Attributes:
        begun: events.
        suppressed: moments that made no event because of the cool-down.
    """

    begun: int = 0
    suppressed: int = 0


@dataclass
class RuleProgress(ABC):
    """The progress of one rule on one camera.

    Attributes:
        rule: the rule.
        numbers: serial numbers of events, shared by all rules.
        counts: its counters.
        open: active events, by track id or :data:`SCENE`.
        candidates: rules that hold, but not yet for long enough, by the same keys.
    """

    rule: Rule
    numbers: Iterator[int] = field(default_factory=itertools.count)
    counts: RuleCounts = field(default_factory=RuleCounts)
    open: dict[int, OpenEvent] = field(default_factory=dict)
    candidates: dict[int, Candidate] = field(default_factory=dict)
    cool_until_ns: int = LONG_AGO_NS
    _followed: Rule | None = None  # at the frame before, and in _follow now

    def __post_init__(self) -> None:
        # Once: members of an Enum take long to look up.
        self._held, self._of_a_track = HOW_HELD[self.rule.kind], self.rule.kind.is_of_a_track

    def step(self, facts: Facts, evidence: AnswerEvidence, after_gap: bool) -> list[Event]:
        """Take one frame; return the events that changed.

        Args:
            facts: the tracks at the frame.
            evidence: of the answers so far.
            after_gap: frames are missing before this one, so candidates are dropped.
        """
        if after_gap:
            self.candidates.clear()
        events: list[Event] = []
        rule = self._in_force(evidence)
        if rule is not self._followed:
            events = [
                self._end(key, facts, EndReason.NOT_ASKED, evidence) for key in list(self.open)
            ]
            self._forget()
            self._followed = rule
        if rule is None:
            return events
        nobody = self._of_a_track and not facts.rows_of(rule.label_keys)
        now = Held(facts.relevant(rule)) if nobody else self._held(rule, facts)
        return events + self._follow(facts, now, evidence)

    def _in_force(self, evidence: AnswerEvidence) -> Rule | None:
        """Return what holds of the rule now; None while the query names none of its labels.

        Of a rule with ``selected``: only the label that is.
        """
        rule, asked = self.rule, evidence.asked
        if asked is not None and rule.labels and rule.label_keys.isdisjoint(asked):
            return None
        if not rule.selected:
            return rule
        if evidence.selected not in rule.label_keys or evidence.selected not in (asked or ()):
            return None
        if self._followed is None or evidence.selected not in self._followed.label_keys:
            return replace(rule, labels=(evidence.selected,))
        return self._followed

    @abstractmethod
    def _follow(self, facts: Facts, now: Held, evidence: AnswerEvidence) -> list[Event]:
        """Take the probability that the rule holds at a frame; return events that changed."""

    def forget(self, reason: EndReason, stamp_ns: int) -> list[Event]:
        """End every event and forget all candidates."""
        events = [
            replace(one.event, state=EventState.END, reason=reason, stamp_ns=stamp_ns)
            for one in self.open.values()
        ]
        self._forget()
        self.cool_until_ns = LONG_AGO_NS
        return events

    def _forget(self) -> None:
        self.open.clear()
        self.candidates.clear()

    # -- events ------------------------------------------------------------------------------------

    def _begin(
        self, key: int, facts: Facts, now: Held, rows: tuple[int, ...], evidence: AnswerEvidence
    ) -> Event:
        p, value, tracks = self._measured(facts, now, rows)
        seen = None if key == SCENE else (facts.tracks.xyxy_px, rows[0])
        return self._opened(key, self._made(facts, evidence, p, value, tracks), seen, evidence)

    def _opened(
        self, key: int, event: Event, seen: tuple[FloatArray, int] | None, evidence: AnswerEvidence
    ) -> Event:
        self.open[key] = OpenEvent(event, evidence.serial, self._due_ns(event.stamp_ns), seen)
        self.counts.begun += 1
        return event

    def _due_ns(self, told_ns: int) -> int:
        """Return when an update is due after one."""
        return told_ns + round(self.rule.update_s / NS)

    def _made(
        self,
        facts: Facts,
        evidence: AnswerEvidence,
        probability: float,
        value: float | None,
        tracks: tuple[EventTrack, ...],
    ) -> Event:
        rule, frame = self.rule, facts.tracks
        return Event(
            id=f"{rule.name}/{frame.stamp_ns}/{next(self.numbers)}",
            rule=rule.name,
            kind=rule.kind,
            state=EventState.BEGIN,
            reason=None,
            stamp_ns=frame.stamp_ns,
            begin_ns=frame.stamp_ns,
            evidence_ns=evidence.stamp_ns,
            frame_id=frame.frame_id,
            camera=frame.camera,
            position_frame=facts.moment.xyz_frame,
            zone="" if rule.zone is None else rule.zone.name,
            probability=probability,
            value=value,
            unit=rule.unit,
            tracks=tracks,
        )

    def _measured(
        self, facts: Facts, now: Held, rows: tuple[int, ...]
    ) -> tuple[float, float | None, tuple[EventTrack, ...]]:
        """Return probability, value and tracks of an event now."""
        of_a_track = self.rule.kind.is_of_a_track
        index = rows[0] if of_a_track else 0
        value = None if now.value is None else float(now.value[index])
        if value is not None and not math.isfinite(value):
            value = None
        partner = -1 if now.partner is None else int(now.partner[index])
        named = (*rows, partner) if partner >= 0 else rows
        tracks = tuple(EventTrack.of(facts, row) for row in named)
        trust = float(facts.trust(self.rule)[index]) if of_a_track else 1.0
        return float(now.probability[index]) * trust, value, tracks

    def _go_on(
        self,
        key: int,
        facts: Facts,
        now: Held,
        rows: tuple[int, ...],
        holds: bool,
        seen: bool,
        evidence: AnswerEvidence,
    ) -> list[Event]:
        """Update or end an event.

        It ends when the rule has not held for ``clear_s``, or its track has been missing for
        ``lost_s``; but not without evidence: the object must be ``seen``, or an answer must have
        come that would have named it.
        """
        one, stamp_ns = self.open[key], facts.tracks.stamp_ns
        if holds:
            one.holds(evidence.serial, None if key == SCENE else (facts.tracks.xyxy_px, rows[0]))
            if stamp_ns < one.due_ns:
                return []
            one.due_ns = self._due_ns(stamp_ns)
            p, value, tracks = self._measured(facts, now, rows)
            one.event = replace(
                one.event,
                state=EventState.UPDATE,
                stamp_ns=stamp_ns,
                evidence_ns=evidence.stamp_ns,
                probability=p,
                value=value,
                tracks=tracks,
            )
            return [one.event]
        if one.failing_ns is None:
            one.failing_ns = stamp_ns
        lasted_s = (stamp_ns - one.failing_ns) * NS
        gone = key != SCENE and not rows
        needed_s = self.rule.lost_s if gone else self.rule.clear_s
        if lasted_s < needed_s or not (seen or evidence.serial > one.serial):
            return []
        return [self._end(key, facts, EndReason.GONE if gone else EndReason.CLEARED, evidence)]

    def _end(self, key: int, facts: Facts, reason: EndReason, evidence: AnswerEvidence) -> Event:
        one = self.open.pop(key)
        stamp_ns = facts.tracks.stamp_ns
        self.cool_until_ns = stamp_ns + round(self.rule.cool_down_s / NS)
        return replace(
            one.event,
            state=EventState.END,
            reason=reason,
            stamp_ns=stamp_ns,
            evidence_ns=evidence.stamp_ns,
        )
