# SPDX-License-Identifier: Apache-2.0
"""Which reported events are right, and which of the truth they find (`benchmarks/rules.py`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from rules_truth import EARLY, FPS, SCENE, WH, Film, Stay, Truth, truth_of
from scipy.optimize import linear_sum_assignment

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.core.rules import Event
from lfmvl_ros.core.tracking import Tracks

AROUND = FPS // 2  # frames before and after an event's begin: whom its track is on
ON, NEAREST = 0.5, 0.2  # mean IoU


class Reported(NamedTuple):
    """An event: the frame at which it began, and the people that its track is on: id -> IoU."""

    begin: int
    people: dict[int, float]


def frame_at(stamp_ns: int) -> int:
    """Return the number of the frame that has a stamp."""
    return round((stamp_ns - 1) * FPS / 1e9)


def reported(
    film: Film, tracks: Sequence[Tracks], events: Sequence[Event], rule: str
) -> list[Reported]:
    """Return a rule's events in the order of their begin.

    Args:
        film: the truth.
        tracks: at each frame, that the rules got.
        events: of all rules.
        rule: its name.
    """
    messages: dict[str, list[Event]] = {}
    for event in events:
        if event.rule == rule:
            messages.setdefault(event.id, []).append(event)
    if rule == "count":
        return [Reported(frame_at(told[0].stamp_ns), {SCENE: 1.0}) for told in messages.values()]
    found = []
    for told in messages.values():
        first = frame_at(told[0].stamp_ns)
        followed = {first + step: told[0].tracks[0].id for step in range(-AROUND, AROUND + 1)}
        on = people_on(film, tracks, followed)
        for one, after in itertools.pairwise(told):
            between = range(frame_at(one.stamp_ns), frame_at(after.stamp_ns))
            followed |= dict.fromkeys(between, one.tracks[0].id)
        found.append(Reported(first, people_on(film, tracks, followed) | on))
    return found


def people_on(
    film: Film, tracks: Sequence[Tracks], followed: Mapping[int, int]
) -> dict[int, float]:
    """Return the people that a track is on: id -> mean IoU.

    Args:
        film: the truth.
        tracks: at each frame.
        followed: frame -> id of the track.
    """
    sums, count = dict.fromkeys(film.people, 0.0), 0
    for at, key in followed.items():
        rows = np.flatnonzero(tracks[at].ids == key) if 0 <= at < len(tracks) else ()
        count += len(rows)
        for person, boxes in film.people.items():
            if len(rows) and not np.isnan(boxes[at, 0]):
                seen = np.clip(boxes[at, :4], 0, (*WH, *WH))[None]
                sums[person] += float(iou_matrix(tracks[at].xyxy_px[rows], seen)[0, 0])
    means = {person: total / max(count, 1) for person, total in sums.items()}
    on = {person: mean for person, mean in means.items() if mean >= ON}
    best = max(means, key=lambda person: means[person], default=SCENE)
    return on or ({best: means[best]} if means.get(best, 0.0) > NEAREST else {})


def assigned(truth: Truth, events: Sequence[Reported]) -> list[Stay | None]:
    """Return the stay that each event is about; None for a wrong event.

    One event can't be about two people. Where its track is on both, because they stand in one
    line, the assignment decides in which most of what must be found is found; of several, the one
    in which boxes fit best and events begin early.
    """
    worth = np.zeros((len(events), len(truth.may)))
    for row, event in enumerate(events):
        for column, stay in enumerate(truth.may):
            iou = event.people.get(stay.key, 0.0)
            if iou and stay.first <= event.begin <= stay.last + EARLY:
                musts = [must for must in truth.must if _finds(event, must, stay)]
                late = max((event.begin - must.first for must in musts[:1]), default=0)
                early = 1.0 - min(max(late, 0) / FPS, 5.0) / 10
                worth[row, column] = 10.0 * len(musts) + early + iou
    found: list[Stay | None] = [None] * len(events)
    for row, column in zip(*linear_sum_assignment(worth, maximize=True), strict=True):
        if worth[row, column]:
            found[row] = truth.may[column]
    for row in range(len(events)):
        if found[row] is None and len(truth.may) and worth[row].any():
            found[row] = truth.may[int((worth[row] % 10.0).argmax())]
    return found


def _finds(event: Reported, must: Stay, stay: Stay) -> bool:
    """An event that began before, in the same stay, counts: it goes on."""
    within = must.key == stay.key and stay.first <= must.first <= stay.last
    return within and stay.first <= event.begin <= must.last + EARLY


def begins_of(truth: Truth, events: Sequence[Reported]) -> list[int | None]:
    """Return for each stay that must be found the frame at which its event began, or None."""
    about = assigned(truth, events)
    found: list[int | None] = []
    for must in truth.must:
        begun = [
            event.begin
            for event, stay in zip(events, about, strict=True)
            if stay is not None and _finds(event, must, stay)
        ]
        found.append(min(begun, default=None))
    return found


@dataclass
class Score:
    """What was found: numbers of events and stays, and delays in s."""

    must: int = 0
    found: int = 0
    events: int = 0
    right: int = 0
    doubled: int = 0
    delays_s: list[float] = field(default_factory=list)

    def add(self, film: Film, events: Sequence[Event], rule: str) -> None:
        """Compare a rule's events with the truth."""
        tracks = [tracks for tracks, _ in film.steps]
        truth, taken = truth_of(film, rule), dict[Stay, int]()
        found = reported(film, tracks, events, rule)
        self.events += len(found)
        for event, stay in zip(found, assigned(truth, found), strict=True):
            if stay is None:
                continue
            if stay in taken and truth.is_doubled(stay.key, taken[stay], event.begin):
                self.doubled += 1
            else:
                self.right += 1
            taken[stay] = event.begin
        for must, begun in zip(truth.must, begins_of(truth, found), strict=True):
            self.must += 1
            if begun is not None:
                self.found += 1
                self.delays_s.append(max(begun - must.first, 0) / FPS)

    def plus(self, other: Score) -> Score:
        """Return both together."""
        return Score(
            self.must + other.must,
            self.found + other.found,
            self.events + other.events,
            self.right + other.right,
            self.doubled + other.doubled,
            self.delays_s + other.delays_s,
        )

    def figures(self) -> dict[str, object]:
        """Return them as the last line has them."""
        delay = round(float(np.median(self.delays_s)), 2) if self.delays_s else None
        return {
            "must": self.must,
            "recall": round(self.found / max(self.must, 1), 3),
            "events": self.events,
            "precision": round(self.right / max(self.events, 1), 3),
            "doubled": self.doubled,
            "delay_s": delay,
        }
