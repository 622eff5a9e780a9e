# SPDX-License-Identifier: Apache-2.0
"""The truth about people in a zone: what rules must and may find (`benchmarks/rules.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks
from lfmvl_warehouse.scenes import RenderedScene

WH, FPS = (640, 480), 15
ZONE = np.array([[0.3, 0.48], [0.7, 0.48], [0.95, 1.0], [0.05, 1.0]])
# It continues below the image, as docs/rules.md says: who is cut off there is inside.
_OUTLINE = (np.array([*ZONE[:3], [0.95, 9.0], [0.05, 9.0], ZONE[3]]) * WH).astype(np.float32)
MARGIN_PX, LEAST_S, SEEN, HIDDEN_S = 10.0, 1.0, 0.5, 2.0
KINDS = ("enter", "dwell", "leave", "count")
WAITS_S = {"enter": 0.0, "dwell": 2.0, "count": 0.5, "leave": 0.0}
EARLY = FPS // 2
SCENE = 0  # stands for the people of `count`


@dataclass
class Film:
    """What a camera's rules get, and the truth.

    Attributes:
        steps: tracks of each frame, and the answers that came before it.
        people: id -> ``(frames, 5)``: x1, y1, x2, y2 in px of the whole silhouette, and the share
            of it that is seen; NaN while the person is not there.
    """

    steps: list[tuple[Tracks, list[Answer]]] = field(default_factory=list)
    people: dict[int, np.ndarray] = field(default_factory=dict)

    def add_people(self, scene: RenderedScene, at: int, frames: int) -> None:
        """Take the people of a frame, of so many in all."""
        for item in scene.objects:
            if item.kind == "person":
                rows = self.people.setdefault(item.id, np.full((frames, 5), np.nan))
                rows[at] = (*item.full_xyxy_px, item.visibility)


@dataclass(frozen=True, eq=False)
class Walk:
    """A person in the truth.

    Attributes:
        inside_px: ``(frames,)`` how far the foot is inside the zone; negative outside, NaN while
            the person is not there.
        seen: ``(frames,)`` the share of the person that is seen.
    """

    inside_px: np.ndarray
    seen: np.ndarray

    @property
    def is_certain(self) -> np.ndarray:
        """``(frames,)`` whether it is in the zone for certain, and seen."""
        return (self.inside_px > MARGIN_PX) & (self.seen >= SEEN)

    @property
    def is_possible(self) -> np.ndarray:
        """``(frames,)`` whether it may be in the zone."""
        return self.inside_px > -MARGIN_PX


def walk_of(person: np.ndarray) -> Walk:
    """Return the walk of a row of ``Film.people``."""
    inside_px = np.full(len(person), np.nan)
    for at in np.flatnonzero(~np.isnan(person[:, 0])):
        x1, _, x2, y2, _ = person[at].tolist()
        inside_px[at] = cv2.pointPolygonTest(_OUTLINE, ((x1 + x2) / 2, y2), True)
    return Walk(inside_px, person[:, 4])


class Stay(NamedTuple):
    """A person in the zone, from one frame to another."""

    key: int
    first: int
    last: int


def stays(holds: np.ndarray, gap_s: float = 0.0) -> list[tuple[int, int]]:
    """Return first and last frame of each time that something holds; short gaps are bridged."""
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(holds).tolist():
        if found and i - found[-1][1] <= max(1, round(gap_s * FPS)):
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found


@dataclass
class Truth:
    """One rule on one film.

    Attributes:
        must: what has to be found; its first frame is when the rule holds.
        may: what may be found, not overlapping for one person.
        certain: person -> ``(frames,)`` whether it is in the zone for certain.
    """

    must: list[Stay] = field(default_factory=list)
    may: list[Stay] = field(default_factory=list)
    certain: dict[int, np.ndarray] = field(default_factory=dict)

    def is_doubled(self, key: int, before: int, now: int) -> bool:
        """Whether a person was in the zone for certain between two events, but for moments."""
        out = stays(~self.certain[key][before : now + 1])
        return all(last - first < 0.5 * FPS for first, last in out)


def truth_of(film: Film, rule: str) -> Truth:
    """Return what a rule must and may find."""
    truth, end = Truth(), len(film.steps) - 1
    walks = {key: walk_of(person) for key, person in film.people.items()}
    certain = {key: walk.is_certain for key, walk in walks.items()}
    possible = {key: walk.is_possible for key, walk in walks.items()}
    if rule == "count":
        zeros = np.zeros(end + 1, int)
        certain = {SCENE: sum((c.astype(int) for c in certain.values()), zeros) > 1}
        possible = {SCENE: sum((p.astype(int) for p in possible.values()), zeros) > 1}
    truth.certain = certain
    waits_s = WAITS_S[rule]
    for key, holds in certain.items():
        near = stays(possible[key], HIDDEN_S)
        if rule == "leave":
            _leaves(truth, key, walks[key], near, end)
            continue
        truth.may += [Stay(key, first, last) for first, last in near]
        for first, last in stays(holds):
            if last - first >= (waits_s + LEAST_S) * FPS:
                truth.must.append(Stay(key, first + round(waits_s * FPS), last))
    return truth


def _leaves(truth: Truth, key: int, walk: Walk, near: list[tuple[int, int]], end: int) -> None:
    """A person leaves when it stays in the zone for a while, and then outside it, in view."""
    for first, last in near:
        truth.may.append(Stay(key, first, min(last + round(2 * FPS), end)))
        stayed = stays(walk.is_certain[first : last + 1])
        after = walk.seen[last + 1 : last + 1 + round(LEAST_S * FPS)]
        seen_after = len(after) == round(LEAST_S * FPS) and (after >= SEEN).all()
        long = any(b - a >= LEAST_S * FPS for a, b in stayed)
        ends_inside = bool(stayed) and first + stayed[-1][1] >= last - round(0.7 * FPS)
        if seen_after and long and ends_inside:
            truth.must.append(Stay(key, last + 1, last + len(after)))
