# SPDX-License-Identifier: Apache-2.0
"""All rules on the tracks of one camera: answers and frames in, events out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from lfmvl_ros.core.calibration.confidence import CALIBRATED
from lfmvl_ros.core.readings.reading import Texts
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules.event import EndReason, Event
from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.history import MomentHistory, Positions
from lfmvl_ros.core.rules.moments import AppearProgress, LeaveProgress, VanishProgress
from lfmvl_ros.core.rules.progress import AnswerEvidence, RuleProgress
from lfmvl_ros.core.rules.rule import Kind, RuleSet
from lfmvl_ros.core.rules.states import SceneProgress, TrackProgress
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Tracks

_GAP_S = 1.0
_GAP_FRAMES = 5.0
_PROGRESS: dict[Kind, type[RuleProgress]] = {
    Kind.LEAVE: LeaveProgress,
    Kind.APPEAR: AppearProgress,
    Kind.VANISH: VanishProgress,
    Kind.COUNT: SceneProgress,
    Kind.MISSING: SceneProgress,
}


@dataclass(frozen=True)
class EngineStatus:
    """Counters since the engine was made.

    Attributes:
        rules: in force.
        open: active events.
        begun: events so far.
        suppressed: moments that made no event because of the cool-down.
        not_asked: names of rules whose labels the query does not name.
        unplaced: names of rules that need positions in metres, in a frame in which none come.
    """

    rules: int
    open: int
    begun: int
    suppressed: int
    not_asked: tuple[str, ...]
    unplaced: tuple[str, ...]


class RuleEngine:
    """The rules of one camera.

    An event begins once and ends once, whatever the frames do:

    * a frame that is not newer than the last one is ignored; one that is older shows that time has
      restarted (:mod:`lfmvl_ros.core.timeline`): all tracks have ended, and so do all events;
    * after a gap (more than 1 s and five frames) the time ``for_s`` is counted from zero again;
    * unusable answers (``timeout``, ``unparseable``, ``error``) begin and end no events.

    Not thread-safe.

    Args:
        rules: of all cameras.
        camera: the camera whose rules are used; "" when there is only one.
    """

    def __init__(self, rules: RuleSet, camera: str = "") -> None:
        self._camera = camera
        self._rules = RuleSet()
        self._numbers = itertools.count(1)
        self._progress: list[RuleProgress] = []
        self._history = MomentHistory()
        self._evidence = AnswerEvidence()
        self._last_ns: int | None = None
        self._interval_s = 0.0
        self._position_frame = ""
        self._calibrated = self._reviewed = False
        self._begun = self._suppressed = 0  # by rules that were removed
        self.replace(rules)

    @property
    def rules(self) -> RuleSet:
        """The rules in force on this camera."""
        return self._rules

    def replace(self, rules: RuleSet) -> list[Event]:
        """Use other rules from now on. Unchanged rules keep their events.

        Returns:
            The ends of the events of rules that were changed or removed.
        """
        before = {(item.rule.name, _meaning(item)): item for item in self._progress}
        self._rules = rules.of_camera(self._camera)
        kept: list[RuleProgress] = []
        for rule in self._rules.rules:
            new = _PROGRESS.get(rule.kind, TrackProgress)(rule, self._numbers)
            kept.append(before.pop((rule.name, _meaning(new)), new))
        self._progress = kept
        events = []
        for gone in before.values():
            events += gone.forget(EndReason.RULES_CHANGED, self._last_ns or 0)
            self._begun += gone.counts.begun
            self._suppressed += gone.counts.suppressed
        return events

    def select(self, label: str) -> None:
        """Set the selected label, which rules with ``selected`` refer to; "" for none."""
        key = fold_label(label)
        if key != self._evidence.selected:
            self._evidence = replace(self._evidence, selected=key)

    def let_people_judge(self, confidences: bool) -> None:
        """Set whether people decide about objects with a low confidence: then events begin."""
        self._reviewed = confidences

    def answer(self, answer: Answer) -> None:
        """Take an answer, after the tracker: it may be evidence of absence.

        An answer about a part of the image is not evidence for the scene.
        """
        grounding = answer.grounding
        if answer.applied.ignored is not None:
            return
        self._evidence.apart.add(answer)
        self._calibrated = grounding.confidence_kind == CALIBRATED
        if grounding.region is not None:
            return
        asked = frozenset(map(fold_label, grounding.query.labels))
        serial, stamp_ns = self._evidence.serial, self._evidence.stamp_ns
        if grounding.outcome.is_evidence_of_absence:
            serial += 1
            newest = grounding.stamp_ns
            stamp_ns = newest if stamp_ns is None else max(stamp_ns, newest)
        self._evidence = replace(self._evidence, serial=serial, stamp_ns=stamp_ns, asked=asked)

    def observe(
        self, tracks: Tracks, positions: Positions | None = None, texts: Texts | None = None
    ) -> list[Event]:
        """Take the tracks at a frame; return the events that changed.

        Args:
            tracks: of this camera.
            positions: the newest that are known.
            texts: what is written on the tracks' objects, by id.
        """
        events: list[Event] = []
        last_ns, stamp_ns = self._last_ns, tracks.stamp_ns
        if last_ns is not None and stamp_ns == last_ns:
            return events
        after_gap = False
        if last_ns is not None and stamp_ns < last_ns:
            events += self._forget(EndReason.RESTARTED, last_ns)
            self._evidence = replace(self._evidence, stamp_ns=None)
            self._evidence.apart.clear()
            self._interval_s = 0.0
        elif last_ns is not None:
            passed_s = (stamp_ns - last_ns) * NS
            after_gap = passed_s > max(_GAP_S, _GAP_FRAMES * self._interval_s)
            self._interval_s = passed_s
        self._last_ns = stamp_ns
        if positions is not None:
            self._position_frame = positions.frame_id
        trusts = self._calibrated and not self._reviewed
        facts = Facts(tracks, positions, self._history, texts or {}, trusts)
        for progress in self._progress:
            events += progress.step(facts, self._evidence, after_gap)
        self._history.add(facts.moment)
        return events

    def close(self) -> list[Event]:
        """Return the ends of all events, because the node stops."""
        return self._forget(EndReason.STOPPED, self._last_ns or 0)

    def _forget(self, reason: EndReason, stamp_ns: int) -> list[Event]:
        self._history.clear()
        return [event for item in self._progress for event in item.forget(reason, stamp_ns)]

    def status(self) -> EngineStatus:
        """Return the counters."""
        asked = self._evidence.asked
        idle = [
            rule.name
            for rule in self._rules.rules
            if asked is not None and rule.labels and not rule.label_keys & asked
        ]
        unplaced = [
            rule.name
            for rule in self._rules.rules
            if rule.needs_metres
            and (
                not self._position_frame
                or (rule.zone is not None and rule.zone.frame not in ("", self._position_frame))
            )
        ]
        return EngineStatus(
            rules=len(self._progress),
            open=sum(len(item.open) for item in self._progress),
            begun=self._begun + sum(item.counts.begun for item in self._progress),
            suppressed=self._suppressed + sum(item.counts.suppressed for item in self._progress),
            not_asked=tuple(idle),
            unplaced=tuple(unplaced),
        )


def _meaning(item: RuleProgress) -> str:
    """Return the content of a rule and its zone as text, to recognise whether it was changed."""
    rule = item.rule
    zone = "" if rule.zone is None else f"{rule.zone.frame}{rule.zone.polygon.points.tolist()}"
    return f"{rule.text}{zone}" if rule.text else f"{id(rule)}"
