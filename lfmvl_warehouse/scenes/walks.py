# SPDX-License-Identifier: Apache-2.0
"""How things move on the hall's floor: looping schedules with stops, known at any time.

A schedule is planned once; `at(t)` then answers for any time without stepping, so that video
frames can be drawn in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pose:
    """Floor position (m), heading (rad, 0 = +y, towards +x), metres walked so far, speed."""

    x: float
    y: float
    heading: float
    walked_m: float
    speed_m_s: float


@dataclass(frozen=True)
class Schedule:
    """A closed walk over corners (K,2): at each, wait, then go to the next, starting softly.

    wait_s and move_s (K,) are the durations; the whole repeats after their sum.
    """

    corners: NDArray[Any]
    wait_s: NDArray[Any]
    move_s: NDArray[Any]

    def __post_init__(self) -> None:
        n = len(self.corners)
        if n < 1 or self.corners.shape != (n, 2) or len(self.wait_s) != n or len(self.move_s) != n:
            raise ValueError(
                f"a schedule needs corners (K,2) and K durations, got {self.corners.shape}, "
                f"{len(self.wait_s)} and {len(self.move_s)}"
            )

    def at(self, time_s: float) -> Pose:
        """The pose at a time in seconds; any time, before 0 too."""
        spans = self.wait_s + self.move_s
        ends = np.cumsum(spans)
        total = float(ends[-1])
        if len(self.corners) == 1 or total <= 0:
            return Pose(float(self.corners[0, 0]), float(self.corners[0, 1]), 0.0, 0.0, 0.0)
        steps = np.roll(self.corners, -1, 0) - self.corners
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        headings = np.arctan2(steps[:, 0], steps[:, 1])
        rounds, phase = divmod(time_s, total)
        k = min(int(np.searchsorted(ends, phase, side="right")), len(ends) - 1)
        elapsed = phase - (ends[k] - spans[k])
        walked = rounds * float(lengths.sum()) + float(lengths[:k].sum())
        if elapsed < self.wait_s[k]:
            turn = (headings[k] - headings[k - 1] + np.pi) % (2 * np.pi) - np.pi
            share = np.clip(elapsed / max(min(float(self.wait_s[k]), 1.2), 1e-6), 0, 1)
            x, y = self.corners[k]
            heading = float(headings[k - 1] + turn * share * share * (3 - 2 * share))
            return Pose(float(x), float(y), heading, walked, 0.0)
        share, rate = _soft((elapsed - self.wait_s[k]) / self.move_s[k])
        x, y = self.corners[k] + steps[k] * share
        speed = float(lengths[k] * rate / self.move_s[k])
        return Pose(
            float(x), float(y), float(headings[k]), walked + float(lengths[k] * share), speed
        )


def _soft(u: float, ramp: float = 0.15) -> tuple[float, float]:
    """Share of the way at share u of the time, and its rate; a ramp at both ends."""
    top = 1.0 / (1.0 - ramp)
    if u < ramp:
        return 0.5 * top * u * u / ramp, top * u / ramp
    if u > 1 - ramp:
        return 1 - 0.5 * top * (1 - u) ** 2 / ramp, top * (1 - u) / ramp
    return top * (u - 0.5 * ramp), top


def plan_walk(
    rng: np.random.Generator,
    area_xyxy_m: tuple[float, float, float, float],
    obstacles: NDArray[Any],
    *,
    speed_m_s: tuple[float, float],
    wait_s: tuple[float, float],
    clearance_m: float,
    corners: int,
) -> Schedule:
    """A random loop within an area that keeps clear of obstacles (K,3): x, y, radius in metres.

    Where no clear leg is found in 60 tries, the clearest one tried is taken.
    """
    path = [_clearest(rng, area_xyxy_m, obstacles, None, clearance_m)]
    for _ in range(corners - 1):
        path.append(_clearest(rng, area_xyxy_m, obstacles, path[-1], clearance_m))
    # Back along the same corners: every leg of the loop has then been checked.
    loop = np.array(path + path[-2:0:-1])
    step = np.roll(loop, -1, 0) - loop
    pace = rng.uniform(*speed_m_s)
    waits = rng.uniform(*wait_s, len(loop)) * (rng.random(len(loop)) < 0.6) + 0.8
    return Schedule(loop, waits, np.maximum(np.hypot(step[:, 0], step[:, 1]) / pace, 0.2))


def _clearest(
    rng: np.random.Generator,
    area: tuple[float, float, float, float],
    obstacles: NDArray[Any],
    start: NDArray[Any] | None,
    clearance_m: float,
) -> NDArray[Any]:
    best, best_gap = np.array([area[0], area[1]]), -np.inf
    for _ in range(60):
        end = np.array([rng.uniform(area[0], area[2]), rng.uniform(area[1], area[3])])
        begin = end if start is None else start
        if start is not None and np.hypot(*(end - start)) < 1.5:
            continue
        gap = _gap(begin, end, obstacles)
        if gap > clearance_m:
            return end
        if gap > best_gap:
            best, best_gap = end, gap
    return best


def _gap(a: NDArray[Any], b: NDArray[Any], obstacles: NDArray[Any]) -> float:
    """Distance from the leg a-b to the nearest obstacle's rim (inf where there is none)."""
    if len(obstacles) == 0:
        return float("inf")
    leg = b - a
    along = np.clip(((obstacles[:, :2] - a) @ leg) / max(float(leg @ leg), 1e-9), 0, 1)
    nearest = a + along[:, None] * leg
    gaps = np.hypot(*(obstacles[:, :2] - nearest).T) - obstacles[:, 2]
    return float(gaps.min())
