# SPDX-License-Identifier: Apache-2.0
"""Tracks and answers as rules get them, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules import Event, EventState, RuleEngine, parse_rules
from lfmvl_ros.core.tracking import Applied, Tracks, TrackState
from lfmvl_ros.core.tracking.applied import Ignored

from ...schemas import check

WH = (1000, 500)
S = 10**9
HALVES = """
zones:
  left: {image: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
"""
ENTER = HALVES + "rules: {r: {when: enter, label: person, zone: left, clear_s: 0.2, lost_s: 0.2}}"
IN, OUT = 0.25, 0.75  # of the image's width: in zone left, in zone right


class Object:
    """A track to be: a box of 40 x 80 px around a centre, as shares of the image."""

    def __init__(
        self,
        key: int,
        x: float,
        y: float = 0.5,
        label: str = "person",
        *,
        existence: float = 0.99,
        sigma_px: float = 2.0,
        state: TrackState = TrackState.CONFIRMED,
        size_px: tuple[float, float] = (40.0, 80.0),
        score: float = 0.7,
    ) -> None:
        self.key, self.x, self.y, self.label = key, x, y, label
        self.existence, self.sigma_px, self.state = existence, sigma_px, state
        self.size_px, self.score = size_px, score


def tracks(time_s: float, objects: Sequence[Object] = (), camera: str = "") -> Tracks:
    """Return the tracks at a time."""
    n = len(objects)
    centres = np.array([[o.x * WH[0], o.y * WH[1]] for o in objects]).reshape(n, 2)
    half = np.array([o.size_px for o in objects]).reshape(n, 2) / 2
    return Tracks(
        round(time_s * S),
        np.array([o.key for o in objects], dtype=np.int64),
        tuple(o.label for o in objects),
        np.array([o.score for o in objects], dtype=np.float64),
        np.concatenate([centres - half, centres + half], axis=1),
        np.zeros((n, 2)),
        np.array([np.eye(4) * o.sigma_px**2 for o in objects]).reshape(n, 4, 4),
        tuple(o.state for o in objects),
        np.ones(n),
        wh=WH,
        camera=camera,
        existence={o.key: o.existence for o in objects},
    )


def answer(
    time_s: float,
    outcome: Outcome = Outcome.EMPTY,
    query: str = "person, forklift, tote",
    confidence_kind: str = "token",
) -> Answer:
    """Return an answer that names nothing; what rules read of it are the arguments."""
    box = np.array([[0.0, 0.0, 9.0, 9.0]])
    found = Detections.empty() if outcome is not Outcome.OK else None
    if found is None:
        found = Detections(box, ("person",), np.ones(1), np.ones((1, 4)))
    grounding = Grounding(
        outcome,
        found,
        round(time_s * S),
        "",
        "",
        WH,
        Query.parse(query),
        Reply(""),
        confidence_kind=confidence_kind,
    )
    applied = Applied(grounding.stamp_ns, (0,) * len(found))
    return Answer(grounding, applied, 0)


def named(time_s: float, boxes: Mapping[int, tuple[float, ...]]) -> Answer:
    """Return an answer that names objects: the id of each one's track -> box in px."""
    n = len(boxes)
    found = Detections(
        np.array(list(boxes.values())).reshape(n, 4), ("person",) * n, np.ones(n), np.ones((n, 4))
    )
    made = answer(time_s, Outcome.OK)
    grounding = replace(made.grounding, detections=found)
    return replace(made, grounding=grounding, applied=Applied(grounding.stamp_ns, tuple(boxes)))


def too_late(time_s: float) -> Answer:
    """Return an answer that the tracker ignored."""
    made = answer(time_s)
    return replace(made, applied=replace(made.applied, ignored=Ignored.TOO_LATE))


class Run:
    """An engine, driven frame by frame; events keep their schema and their order."""

    def __init__(self, rules: str, camera: str = "", confidence_kind: str = "token") -> None:
        self.engine = RuleEngine(parse_rules(rules), camera)
        self._confidence_kind = confidence_kind
        self.events: list[Event] = []
        self._time_s = 1e5

    def frames(
        self,
        count: int,
        objects: Sequence[Object] = (),
        *,
        rate_hz: float = 20.0,
        answers: Outcome | None = Outcome.OK,
        every: int = 5,
    ) -> list[Event]:
        """Show the same objects for some frames; an answer comes before every fifth."""
        new: list[Event] = []
        for number in range(count):
            self._time_s += 1 / rate_hz
            if answers is not None and number % every == 0:
                at_s, kind = self._time_s - 0.5 / rate_hz, self._confidence_kind
                self.engine.answer(answer(at_s, answers, confidence_kind=kind))
            new += self.engine.observe(tracks(self._time_s, objects))
        return self.took(new)

    def took(self, events: Iterable[Event]) -> list[Event]:
        new = list(events)
        for event in new:
            check(event.to_dict())
        self.events += new
        return new

    def jump(self, seconds: float) -> None:
        """Let time pass, or go back, without frames."""
        self._time_s += seconds


def states(events: Iterable[Event]) -> list[str]:
    """Return the states of events without updates."""
    return [e.state.value for e in events if e.state is not EventState.UPDATE]


def check_once(events: Sequence[Event]) -> None:
    """Every event begins once and ends at most once, in this order, and no two are one."""
    open_ids: set[str] = set()
    seen: set[str] = set()
    for event in events:
        if event.state is EventState.BEGIN:
            assert event.id not in seen
            seen.add(event.id)
            open_ids.add(event.id)
        else:
            assert event.id in open_ids
        if event.state is EventState.END:
            open_ids.remove(event.id)
            assert event.reason is not None
        else:
            assert event.reason is None
