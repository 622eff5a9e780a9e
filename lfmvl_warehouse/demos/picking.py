# SPDX-License-Identifier: Apache-2.0
"""Picking: a box is asked for; its pick pose comes in time, or a person is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

import numpy as np

from lfmvl_warehouse.demos.job import SECONDS, SceneJob
from lfmvl_warehouse.demos.picking_figures import figures
from lfmvl_warehouse.scenes.staged import Prop, StagedVideo

RATE_HZ = 10.0
ROUND_S, AWAY_S, STEP_S, ASK_S = 9.0, 2.0, 0.2, 4.0
"""Of each round: its length; when the first of its goods is put down, and the time between two of
them; when the request is made. The goods are taken away one by one at the start of the next round.
"""
LABELS = ("red tote", "blue tote", "cardboard box")
QUERY = "red tote, blue tote, green tote, yellow tote, cardboard box, crate, bag, barrel"
FRAME = "base_link"
HEIGHT_M = 1.2  # of the camera
_MIDDLE_M, _CAMERA_Y_M = 6.5, 1.2
_OTHERS = (("tote", "green"), ("crate", "brown"), ("tote", "yellow"), ("bag", "white"))
_SPOTS_M = ((-0.85, 2.55), (0.0, 2.65), (0.85, 2.55))  # right of the camera, before it
_FAR_M = (0.45, 4.6)
_BEFORE_M = (0.2, 1.95)  # what hides a spot: aside of it, before the camera
REACH_M = ((-1.4, 1.8), (1.4, 1.8), (1.4, 3.1), (-1.4, 3.1))


class Case(str, Enum):
    """Where what is asked for is.

    ``plain``: in reach and in view. ``hidden``: in reach, mostly behind something. ``far``: out of
    reach. ``absent``: nowhere.
    """

    PLAIN = "plain"
    HIDDEN = "hidden"
    FAR = "far"
    ABSENT = "absent"


@dataclass(frozen=True)
class PickRequest:
    """One request.

    Attributes:
        begin_s: when it is made.
        end_s: when the goods are taken away.
        label: what is asked for.
        case: where it is.
        prop: number of the object in the scene, from 1; None where it is absent.
    """

    begin_s: float
    end_s: float
    label: str
    case: Case
    prop: int | None


@dataclass(frozen=True)
class Station:
    """Requests one after the other; of eight, five are plain and one of each other case.

    Attributes:
        seed: of goods, places and requests.
        duration_s: at least.
    """

    seed: int = 0
    duration_s: float = SECONDS

    @cached_property
    def _planned(self) -> tuple[tuple[PickRequest, ...], tuple[Prop, ...]]:
        rng = np.random.default_rng((75, self.seed))
        requests: list[PickRequest] = []
        props: list[Prop] = []
        cases: list[Case] = []
        while len(requests) * ROUND_S < self.duration_s:
            if not cases:
                eight = [Case.PLAIN] * 5 + [Case.HIDDEN, Case.FAR, Case.ABSENT]
                cases = [eight[i] for i in rng.permutation(8)]
            before = requests[-1].label if requests else ""
            label = str(rng.choice([name for name in LABELS if name != before]))
            first_s, case = len(requests) * ROUND_S, cases.pop()
            goods, asked = _goods(rng, label, case)
            number = None if asked is None else len(props) + asked + 1
            for order, prop in enumerate(goods):
                put_s = first_s + AWAY_S + order * STEP_S
                there = ((put_s, first_s + ROUND_S + order * STEP_S),)
                props.append(replace(prop, there=there))
            span_s = first_s + ASK_S, first_s + ROUND_S
            requests.append(PickRequest(*span_s, label, case, number))
        return tuple(requests), tuple(props)

    @property
    def requests(self) -> tuple[PickRequest, ...]:
        """The plan."""
        return self._planned[0]

    def selected(self, time_s: float) -> str:
        """Return what is asked for at a time; "" between requests."""
        open_now = (r.label for r in self.requests if r.begin_s <= time_s < r.end_s)
        return next(open_now, "")

    def video(self, *, wh: tuple[int, int] = (640, 480), fps: float = RATE_HZ) -> StagedVideo:
        """Return the scene."""
        props = self._planned[1]
        return StagedVideo(props, camera, height_m=HEIGHT_M, still=True, seed=3, wh=wh, fps=fps)


def _goods(rng: np.random.Generator, label: str, case: Case) -> tuple[list[Prop], int | None]:
    """Return the goods of a round, and which of them is asked for."""
    others = [_looks(name) for name in LABELS if name != label] + list(_OTHERS)
    kinds = [_looks(label) if case in (Case.PLAIN, Case.HIDDEN) else others[-1]]
    kinds += [others[i] for i in rng.permutation(len(others))[: len(_SPOTS_M) - len(kinds)]]
    spots = [_SPOTS_M[i] for i in rng.permutation(len(_SPOTS_M))]
    props = [_prop(rng, *kind, spot) for kind, spot in zip(kinds, spots, strict=True)]
    if case is Case.HIDDEN:
        aside = _BEFORE_M[0] * float(rng.choice([-1, 1]))
        front = (spots[0][0] * _BEFORE_M[1] / spots[0][1] + aside, _BEFORE_M[1])
        props.append(_prop(rng, "barrel", "grey", front))
    if case is Case.FAR:
        props.append(_prop(rng, *_looks(label), _FAR_M))
        return props, len(props) - 1
    return props, None if case is Case.ABSENT else 0


def _looks(label: str) -> tuple[str, str]:
    """Return kind and colour of what a label names."""
    colour, _, kind = label.partition(" ")
    return ("cardboard box", "brown") if kind == "box" else (kind, colour)


def _prop(rng: np.random.Generator, kind: str, colour: str, spot: tuple[float, float]) -> Prop:
    place = (_MIDDLE_M + spot[0], _CAMERA_Y_M + spot[1])
    attributes = ("closed",) if kind == "cardboard box" else ()
    heading, seed = float(rng.uniform(-np.pi, np.pi)), int(rng.integers(2**31))
    return Prop(kind, colour, attributes, (place,), heading=heading, seed=seed)


def camera(_time_s: float) -> tuple[float, float, float]:
    """Where the camera stands."""
    return _MIDDLE_M, _CAMERA_Y_M, 0.0


def rules() -> str:
    """Return the rules file of this job (config/rules/picking.yaml)."""
    corners = [[round(_MIDDLE_M + x, 2), round(_CAMERA_Y_M + y, 2)] for x, y in REACH_M]
    labels = f"[{', '.join(LABELS)}]"
    return f"""# Picking (docs/station.md): what is asked for has a pick pose, or a person decides.
# Made by lfmvl_warehouse/demos/picking.py, for the scene `picking`.
# `selected`: the rules are about what the parameter spatial.select names, `label:red tote`.
zones:
  reach: {{frame: {FRAME}, metres: {corners}}}
  view: {{image: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
rules:
  # The arm may move: the pick point and the normal are known well enough.
  ready:
    when: enter
    label: {labels}
    selected: true
    zone: reach
    where: confidence > 0.6 and pick_sigma_m < 0.1 and normal_sigma_deg < 8
    for_s: 0.3
  # It is seen, but for 3 s one of these did not hold.
  doubtful:
    when: dwell
    label: {labels}
    selected: true
    zone: view
    where: confidence <= 0.6 or pick_sigma_m >= 0.1 or normal_sigma_deg >= 8
    for_s: 3
    review: true
  # Nothing of the kind is seen.
  not_found:
    when: count
    label: {labels}
    selected: true
    below: 1
    for_s: 3
    review: true
"""


JOB = SceneJob(
    plan=Station,
    rate_hz=RATE_HZ,
    rules=rules,
    figures=figures,
    # Those of config/picking.yaml, but for the query, which names whatever stands there: asked for
    # a blue tote alone, the bundled model calls a green one blue.
    settings={
        "query": QUERY,
        "parsing.unknown_labels": "drop",
        "parsing.min_score": 0.3,
        "tracker.max_coast_s": 4.0,
        "spatial.source": "depth",
        "spatial.target_frame": FRAME,
        "spatial.max_range_m": 3.0,
        "spatial.max_sigma_m": 0.3,
    },
    select=Station.selected,
    depth=True,
)
