# SPDX-License-Identifier: Apache-2.0
"""Driver assistance: a forklift drives towards people in its way, and past people beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lfmvl_ros.core.demo_scene import SceneResults
from lfmvl_warehouse.demos.job import SECONDS, SceneJob
from lfmvl_warehouse.scenes.staged import Prop, StagedVideo

RATE_HZ = 15.0
QUERY = ("person",)
RULE = "person_ahead"
LEAD_S = 1.5  # before contact, an alert is in time
_MIDDLE_M, _START_M, _BACK_M_S, _STOP_M, _WAIT_S = 6.5, 1.2, 1.6, 1.4, 1.0
_HALF_PATH_M, _NEAREST_M, _FARTHEST_M = 0.9, 1.3, 9.0
_BESIDE_M = (1.9, 2.6)


@dataclass(frozen=True)
class Drive:
    """Forward until :data:`_STOP_M` before a person's distance, wait, back, wait.

    Attributes:
        begin_s: when it begins.
        speed_m_s: forward.
        person_y_m: of the person, along the hall.
        offset_m: of the person from the middle of the path.
    """

    begin_s: float
    speed_m_s: float
    person_y_m: float
    offset_m: float

    @property
    def is_approach(self) -> bool:
        """Whether the person stands in the way."""
        return abs(self.offset_m) < _HALF_PATH_M

    @property
    def length_m(self) -> float:
        """How far the forklift drives."""
        return self.person_y_m - _STOP_M - _START_M

    @property
    def forward_s(self) -> float:
        """How long it drives forward."""
        return self.length_m / self.speed_m_s

    @property
    def end_s(self) -> float:
        """When the next drive may begin."""
        return self.begin_s + self.forward_s + self.length_m / _BACK_M_S + 2 * _WAIT_S

    @property
    def contact_s(self) -> float:
        """When it would touch the person if it did not stop: at 0.5 m, where its front is."""
        return self.begin_s + (self.person_y_m - 0.5 - _START_M) / self.speed_m_s

    def y_m(self, time_s: float) -> float:
        """Where the camera is along the hall."""
        driven_s = time_s - self.begin_s
        if driven_s < self.forward_s:
            return _START_M + self.speed_m_s * max(driven_s, 0.0)
        back_s = driven_s - self.forward_s - _WAIT_S
        return _START_M + self.length_m - min(max(back_s, 0.0) * _BACK_M_S, self.length_m)


@dataclass(frozen=True)
class Shift:
    """Drives one after the other; two of three towards a person, one past one.

    Attributes:
        seed: of speeds, people and their places.
        duration_s: at least.
    """

    seed: int = 0
    duration_s: float = SECONDS

    @cached_property
    def drives(self) -> tuple[Drive, ...]:
        """The plan."""
        rng, begin_s = np.random.default_rng((73, self.seed)), 1.0
        found: list[Drive] = []
        while begin_s < self.duration_s:
            side = rng.uniform(*_BESIDE_M) * rng.choice([-1, 1])
            offset_m = float(side if len(found) % 3 == 2 else rng.uniform(-0.4, 0.4))
            speed, person_y = float(rng.uniform(1.0, 1.8)), float(rng.uniform(8.5, 11.0))
            found.append(Drive(begin_s, speed, person_y, offset_m))
            begin_s = found[-1].end_s
        return tuple(found)

    def camera(self, time_s: float) -> tuple[float, float, float]:
        """Where the camera is: it sways a little, as a forklift does."""
        drive = self._at(time_s)
        sway = 0.01 * float(np.sin(2 * np.pi * time_s / 2.3))
        return _MIDDLE_M + sway, drive.y_m(time_s), 0.008 * float(np.sin(2 * np.pi * time_s / 3.1))

    def _at(self, time_s: float) -> Drive:
        return max(
            (drive for drive in self.drives if drive.begin_s <= time_s or drive is self.drives[0]),
            key=lambda drive: drive.begin_s,
        )

    @cached_property
    def props(self) -> tuple[Prop, ...]:
        """The people, each there during one drive, and things at the sides."""
        rng = np.random.default_rng((74, self.seed))
        colours = ("orange", "yellow", "red", "blue", "green", "grey")
        people = tuple(
            Prop(
                "person",
                str(rng.choice(colours)),
                (str(rng.choice(["wearing a vest", "without a vest"])),),
                ((_MIDDLE_M + drive.offset_m, drive.person_y_m),),
                there=((drive.begin_s - 1.0, drive.end_s - 1.0),),
                heading=float(rng.uniform(-np.pi, np.pi)),
                seed=int(rng.integers(2**31)),
            )
            for drive in self.drives
        )
        things = tuple(
            Prop(kind, colour, attributes, ((x, y),), seed=number)
            for number, (kind, colour, attributes, x, y) in enumerate(
                (
                    ("pallet", "brown", ("loaded",), 3.2, 6.0),
                    ("barrel", "blue", (), 9.6, 7.0),
                    ("crate", "brown", (), 10.0, 9.5),
                    ("tote", "red", (), 3.6, 9.0),
                    ("forklift", "yellow", (), 3.0, 15.0),
                )
            )
        )
        return people + things

    def video(self, *, wh: tuple[int, int] = (640, 480), fps: float = RATE_HZ) -> StagedVideo:
        """Return the scene."""
        return StagedVideo(self.props, self.camera, seed=5, wh=wh, fps=fps)


def path_zone(wh: tuple[int, int] = (640, 480)) -> list[list[float]]:
    """Return the way ahead in the image, as shares of its width and height."""
    lens = StagedVideo((), lambda _: (_MIDDLE_M, _START_M, 0.0), seed=5, wh=wh).camera_at(0)
    corners = []
    for x, distance in ((-1, _FARTHEST_M), (1, _FARTHEST_M), (1, _NEAREST_M), (-1, _NEAREST_M)):
        place = _MIDDLE_M + x * _HALF_PATH_M, _START_M + distance
        u, v, _ = lens.project(*place)
        corners.append([u / wh[0], v / wh[1]])
    found: list[list[float]] = np.clip(np.array(corners), 0, 1).round(3).tolist()
    return found


def rules() -> str:
    """Return the rules file of this job (config/rules/assist.yaml)."""
    return f"""# Driver assistance (docs/assist.md): a person in the way will be reached soon.
# Made by lfmvl_warehouse/demos/assist.py, for the scene `assist`.
zones:
  # The way ahead: 1.8 m wide, from 1.3 to 9 m before the camera.
  path: {{image: {path_zone()}}}
rules:
  {RULE}:
    when: approach
    label: person
    zone: path
    time_s: 4.0
    # A box says little about a time to contact within half a second: its height is known to 7 %.
    over_s: 1.3
    probability: 0.7
    release: 0.3
    clear_s: 1.5
    topic: true
"""


def figures(plan: Shift, results: SceneResults) -> dict[str, Any]:
    """Return how long before contact each approach was alerted, and false alerts.

    The first alert of a drive towards a person counts for it, and others of that drive are false,
    as are alerts while driving past somebody, backwards, or standing.
    """
    duration_s = len(results.tracks) / RATE_HZ
    alerts = [event.stamp_ns / 1e9 for event in results.begun(RULE)]
    leads: list[float | None] = []
    right: set[float] = set()
    for drive in plan.drives:
        stop_s = drive.begin_s + drive.forward_s
        if not drive.is_approach or stop_s > duration_s:
            continue
        during = [time_s for time_s in alerts if drive.begin_s <= time_s <= stop_s]
        leads.append(round(drive.contact_s - during[0], 2) if during else None)
        right |= set(during[:1])
    given = [lead for lead in leads if lead is not None]
    false = len([time_s for time_s in alerts if time_s not in right])
    return {
        "approaches": len(leads),
        "alerted_in_time": sum(lead >= LEAD_S for lead in given),
        "lead_s": {"least": min(given, default=None), "median": _median(given)},
        "false_alerts": false,
        "false_alerts_in_ten_minutes": round(false / duration_s * 600, 2),
    }


def _median(values: list[float]) -> float | None:
    return round(float(np.median(values)), 2) if values else None


JOB = SceneJob(
    plan=Shift, rate_hz=RATE_HZ, rules=rules, figures=figures, settings={"query": ", ".join(QUERY)}
)
