# SPDX-License-Identifier: Apache-2.0
"""Shelf monitoring: places on the floor for goods; some are emptied, filled, or filled wrongly."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.demo_scene import SceneResults
from lfmvl_ros.core.tracking import Tracks
from lfmvl_warehouse.demos.job import SECONDS, SceneJob
from lfmvl_warehouse.demos.matching import EventMatch, spans
from lfmvl_warehouse.scenes.staged import Intervals, Prop, StagedVideo

_MIDDLE_M, _CAMERA_Y_M = 6.5, 1.2
_SIDE_M = 0.85  # of a place, on the floor
_PERIOD_S = 12.0  # between changes, about
_FIRST_S = 10.0
RATE_HZ = 10.0
SETTLED_S = 3.0  # after a change, before goods are counted


@dataclass(frozen=True)
class ShelfSlot:
    """One place for goods.

    Attributes:
        name: also of its zone.
        kind, colour: of what belongs there.
        x_m, y_m: on the floor of the hall.
    """

    name: str
    kind: str
    colour: str
    x_m: float
    y_m: float

    @property
    def row(self) -> str:
        """The shelf that it belongs to."""
        return self.name.rpartition("_")[0]


def _row(name: str, y_m: float, step_m: float, kinds: str) -> tuple[ShelfSlot, ...]:
    words = [item.strip().split(" ", 1) for item in kinds.split(",")]
    first = _MIDDLE_M - step_m * (len(words) - 1) / 2
    return tuple(
        ShelfSlot(f"{name}_{number}", kind, colour, first + step_m * (number - 1), y_m)
        for number, (colour, kind) in enumerate(words, start=1)
    )


# One row: of two rows of four, the bundled model missed something in every other view.
PLACES = _row("shelf", 5.2, 1.2, "red tote, blue barrel, brown crate, blue tote")
QUERY = ("tote", "crate", "barrel")


@dataclass(frozen=True)
class Shelf:
    """A planned hour of a shelf, shortened: about every 12 s one place changes.

    Attributes:
        seed: of looks and changes.
        duration_s: of the plan.
    """

    seed: int = 0
    duration_s: float = SECONDS

    @cached_property
    def props(self) -> tuple[Prop, ...]:
        """The goods, and when each is there."""
        rng = np.random.default_rng((71, self.seed))
        found: list[Prop] = []
        times = np.arange(_FIRST_S, max(self.duration_s - 6.0, _FIRST_S), _PERIOD_S)
        changes: dict[str, list[float]] = {place.name: [] for place in PLACES}
        for time_s in times:
            changes[str(rng.choice(list(changes)))].append(float(time_s + rng.uniform(-2, 2)))
        for number, place in enumerate(PLACES):
            edges = [0.0, *changes[place.name], self.duration_s + 60.0]
            for index, (first, last) in enumerate(itertools.pairwise(edges)):
                looks = int(rng.integers(2**31))
                if index % 2 == 0:
                    found.append(_prop(place, place.kind, place.colour, (first, last), looks))
                elif rng.random() < 0.4:  # something else stands there
                    other = ("crate", "green") if place.kind == "barrel" else ("barrel", "yellow")
                    found.append(_prop(place, *other, (first, last), looks + number))
        return tuple(found)

    def video(self, *, wh: tuple[int, int] = (640, 480), fps: float = RATE_HZ) -> StagedVideo:
        """Return the scene."""
        return StagedVideo(self.props, camera, still=True, seed=3, wh=wh, fps=fps)

    def standing(self, time_s: float) -> dict[str, str]:
        """Return which kind stands on each place at a time, "" for an empty one."""
        found = dict.fromkeys((place.name for place in PLACES), "")
        for prop in self.props:
            if prop.is_there(time_s):
                place = next(p for p in PLACES if (p.x_m, p.y_m) == prop.corners[0])
                found[place.name] = prop.kind
        return found


def _prop(place: ShelfSlot, kind: str, colour: str, there: tuple[float, float], seed: int) -> Prop:
    times: Intervals = (there,)
    return Prop(kind, colour, (), ((place.x_m, place.y_m),), there=times, seed=seed)


def camera(_time_s: float) -> tuple[float, float, float]:
    """Where the camera hangs."""
    return _MIDDLE_M, _CAMERA_Y_M, 0.0


def zones(wh: tuple[int, int] = (640, 480)) -> dict[str, list[list[float]]]:
    """Return the outline of each place in the image, as shares of its width and height.

    From the floor to 0.8 m above it, as goods fill it.
    """
    lens = Shelf().video(wh=wh).camera_at(0)
    found = {}
    for place in PLACES:
        half, near, far = _SIDE_M / 2, place.y_m - _SIDE_M / 2, place.y_m + _SIDE_M / 2
        left, _, _ = lens.project(place.x_m - half, place.y_m)
        right, _, _ = lens.project(place.x_m + half, place.y_m)
        _, bottom, _ = lens.project(place.x_m, near)
        _, top, _ = lens.project(place.x_m, far, 0.8)
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) / wh
        found[place.name] = np.clip(corners, 0, 1).round(3).tolist()
    return found


def rules() -> str:
    """Return the rules file of this shelf (config/rules/shelf.yaml)."""
    lines = [
        "# Shelf monitoring (docs/shelf.md): four places for goods; which are empty or hold",
        "# something else? Made by lfmvl_warehouse/demos/shelf.py, for the scene `shelf`.",
        "zones:",
    ]
    lines += [f"  {name}: {{image: {corners}}}" for name, corners in zones().items()]
    lines += ["rules:"]
    for place in PLACES:
        others = [kind for kind in QUERY if kind != place.kind]
        lines += [
            f"  empty_{place.name}:",
            f"    {{when: missing, label: [{', '.join(QUERY)}], zone: {place.name}, point: centre,",
            "     for_s: 0.5, update_s: 3600}",
            f"  misplaced_{place.name}:",
            f"    {{when: enter, label: [{', '.join(others)}], zone: {place.name}, point: centre,",
            "     for_s: 1, update_s: 3600}",
        ]
    return "\n".join(lines) + "\n"


def figures(plan: Shelf, results: SceneResults) -> dict[str, Any]:
    """Return how well empty and misplaced places were found, and how well goods were counted."""
    duration_s = len(results.tracks) / RATE_HZ
    empty, wrong = EventMatch(), EventMatch()
    for place in PLACES:
        kinds = [plan.standing(i / RATE_HZ)[place.name] for i in range(len(results.tracks))]
        no_goods, other = [not k for k in kinds], [k not in ("", place.kind) for k in kinds]
        empty.add(spans(no_goods, RATE_HZ), results.spans_s(f"empty_{place.name}"), duration_s)
        wrong.add(spans(other, RATE_HZ), results.spans_s(f"misplaced_{place.name}"), duration_s)
    right, views = _counts(plan, results)
    return {
        "empty": empty.figures(),
        "misplaced": wrong.figures(),
        "settled_views": views,
        "views_counted_right": round(right / max(views, 1), 3),
    }


def _counts(plan: Shelf, results: SceneResults) -> tuple[int, int]:
    """Return in how many settled views, one a second, each kind was counted right on each row."""
    outlines = {name: np.array(corners) for name, corners in zones().items()}
    right = views = 0
    for index in range(0, len(results.tracks), round(RATE_HZ)):
        time_s = index / RATE_HZ
        now = plan.standing(time_s)
        if index < SETTLED_S * RATE_HZ or plan.standing(time_s - SETTLED_S) != now:
            continue
        views += 1
        truth = Counter((p.row, now[p.name]) for p in PLACES if now[p.name])
        right += truth == _counted(results.tracks[index], outlines)
    return right, views


def _counted(tracks: Tracks, outlines: dict[str, NDArray[Any]]) -> Counter[tuple[str, str]]:
    """Count confirmed tracks by row and label."""
    found: Counter[tuple[str, str]] = Counter()
    for row in tracks.established:
        x1, y1, x2, y2 = (tracks.xyxy_px[row] / np.tile(tracks.wh, 2)).tolist()
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        for name, corners in outlines.items():
            (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            if left <= x <= right and top <= y <= bottom:
                found[name.rpartition("_")[0], tracks.labels[row]] += 1
    return found


JOB = SceneJob(
    plan=Shelf, rate_hz=RATE_HZ, rules=rules, figures=figures, settings={"query": ", ".join(QUERY)}
)
