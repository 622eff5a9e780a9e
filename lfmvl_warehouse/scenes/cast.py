# SPDX-License-Identifier: Apache-2.0
"""The objects of a hall: what stands where, and who walks or drives how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes.options import SceneOptions
from lfmvl_warehouse.scenes.vocabulary import KIND_SPECS, sample_attributes, sample_colour
from lfmvl_warehouse.scenes.walks import Schedule, plan_walk

WIDTH_M, LENGTH_M = 13.0, 30.0
_MOVING = ("person", "forklift", "robot")


@dataclass(frozen=True)
class Actor:
    """One object of the world: what it is, how it moves."""

    id: int
    kind: str
    colour: str
    attributes: tuple[str, ...]
    seed: int
    schedule: Schedule
    heading: float  # of things that stand still

    @property
    def moves(self) -> bool:
        """Whether it walks or drives."""
        return len(self.schedule.corners) > 1


def cast(rng: np.random.Generator, options: SceneOptions) -> list[Actor]:
    """The objects of a world: goods in groups along the aisle, then movers around them."""
    count = int(rng.integers(options.objects[0], options.objects[1] + 1))
    movers = [k for k in _MOVING if k in options.kinds]
    goods = [k for k in options.kinds if k not in _MOVING]
    moving = 0 if not movers else count if not goods else min(count, max(1, round(0.38 * count)))
    # Two people for each vehicle, as in a real aisle.
    crew = [k for k in ("person", "forklift", "person", "robot", "person", "person") if k in movers]
    kinds = (
        list(rng.permutation(goods * max(3, -(-count // len(goods)))))[: count - moving]
        if goods
        else []
    )
    kinds += [crew[i % len(crew)] for i in range(moving)]
    obstacles = np.zeros((0, 3))
    actors: list[Actor] = []
    for number, kind in enumerate(map(str, kinds), start=1):
        colour, attributes = sample_colour(rng, kind), sample_attributes(rng, kind)
        seed, heading = int(rng.integers(2**31)), float(rng.uniform(-np.pi, np.pi))
        if kind in _MOVING:
            schedule = _walk(rng, kind, obstacles)
        else:
            spot = _free_spot(rng, kind, obstacles)
            obstacles = np.vstack([obstacles, spot])
            schedule = Schedule(spot[None, :2], np.zeros(1), np.zeros(1))
        actors.append(Actor(number, kind, colour, attributes, seed, schedule, heading))
    return actors


def _free_spot(rng: np.random.Generator, kind: str, obstacles: NDArray[Any]) -> NDArray[Any]:
    """Position and radius (x, y, r) of a thing off the others; small things stand nearer."""
    spec = KIND_SPECS[kind]
    radius = 0.5 * spec.width_m + 0.1
    near, far = (3.6, 6.5) if spec.height_m * spec.width_m < 0.12 else (5.0, 13.0)
    best: NDArray[Any] = np.zeros(2)
    best_gap = -np.inf
    for _ in range(40):
        y = rng.uniform(near, far)
        half = min(0.46 * y + 0.3, WIDTH_M / 2 - 1.0)
        spot = np.array([WIDTH_M / 2 + rng.uniform(-half, half), y])
        gaps = np.hypot(*(obstacles[:, :2] - spot).T) - obstacles[:, 2] - radius
        gap = float(gaps.min()) if len(obstacles) else np.inf
        if gap > best_gap:
            best, best_gap = spot, gap
        if gap > 0.35:
            break
    return np.array([best[0], best[1], radius])


def _walk(rng: np.random.Generator, kind: str, obstacles: NDArray[Any]) -> Schedule:
    """People and vehicles cross the aisle, in and out of view, stop, turn, come back."""
    area = (
        (1.6, 5.2, WIDTH_M - 1.6, 12.0) if kind != "forklift" else (2.4, 8.0, WIDTH_M - 2.4, 16.0)
    )
    speed = {"person": (0.8, 1.4), "forklift": (1.0, 1.8), "robot": (0.6, 1.1)}[kind]
    clearance = {"person": 0.4, "forklift": 1.1, "robot": 0.6}[kind]
    plan = plan_walk(
        rng,
        area,
        obstacles,
        speed_m_s=speed,
        wait_s=(0.5, 4.0),
        clearance_m=clearance,
        corners=int(rng.integers(4, 7)),
    )
    shift = int(rng.integers(len(plan.corners)))
    return Schedule(
        np.roll(plan.corners, shift, 0), np.roll(plan.wait_s, shift), np.roll(plan.move_s, shift)
    )
