# SPDX-License-Identifier: Apache-2.0
"""Warehouse video in which what happens is planned: who stands where, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lfmvl_warehouse.scenes.cast import Actor
from lfmvl_warehouse.scenes.options import VIDEO
from lfmvl_warehouse.scenes.rooms import Camera
from lfmvl_warehouse.scenes.scene_video import SceneVideo
from lfmvl_warehouse.scenes.walks import Pose, Schedule

Intervals = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prop:
    """One object of the plan.

    Attributes:
        kind, colour, attributes: as in :class:`~lfmvl_warehouse.scenes.SceneObject`.
        corners: ``(K, 2)`` floor points in m that it walks along, in a loop; one where it stands.
        speed_m_s: of the walk, > 0.
        wait_s: at each corner.
        there: times in s when it is in the world, each from and until; empty for always.
        heading: rad, of what stands.
        seed: of its looks.
    """

    kind: str
    colour: str
    attributes: tuple[str, ...] = ()
    corners: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    speed_m_s: float = 1.0
    wait_s: float = 1.0
    there: Intervals = ()
    heading: float = 0.0
    seed: int = 0

    def is_there(self, time_s: float) -> bool:
        """Whether it is in the world at a time."""
        return not self.there or any(first <= time_s < last for first, last in self.there)

    def schedule(self) -> Schedule:
        """Return how it moves."""
        corners = np.array(self.corners, dtype=np.float64)
        step = np.roll(corners, -1, 0) - corners
        move_s = np.maximum(np.hypot(step[:, 0], step[:, 1]) / self.speed_m_s, 0.2)
        waits = np.full(len(corners), self.wait_s)
        return Schedule(corners, waits, move_s if len(corners) > 1 else np.zeros(1))


class StagedVideo(SceneVideo):
    """A hall with planned objects; ids are 1, 2, ... in the order of the plan.

    Args:
        props: the plan.
        position: time in s -> the camera's x, y in m and yaw in rad; the hall is 13 m wide and
            30 m long, the camera looks along +y.
        height_m: of the camera above the floor.
        still: the camera never moves, so that the hall is drawn once.
        seed: of the hall and its light.
        wh: image size in px.
        fps: frames a second.
    """

    def __init__(
        self,
        props: tuple[Prop, ...],
        position: Callable[[float], tuple[float, float, float]],
        *,
        height_m: float = 1.8,
        still: bool = False,
        seed: int = 0,
        wh: tuple[int, int] = (640, 480),
        fps: float = 30.0,
    ) -> None:
        empty = replace(VIDEO, objects=(0, 0))
        camera = "static" if still else "drive"
        super().__init__(seed, wh=wh, fps=fps, options=empty, camera=camera)
        self._position, self.props = position, props
        self._height_m = height_m
        self._actors = [
            Actor(
                number,
                prop.kind,
                prop.colour,
                prop.attributes,
                prop.seed,
                prop.schedule(),
                prop.heading,
            )
            for number, prop in enumerate(props, start=1)
        ]

    def camera_at(self, index: int) -> Camera:
        """Where the camera is at a frame, and its lens."""
        x, y, yaw = self._position(index / self.fps)
        centre, horizon = self.wh[0] / 2, 0.34 * self.wh[1]
        return Camera(self.focal_px, centre, horizon, (x, y, self._height_m), yaw)

    def _in_view(
        self, time_s: float, camera: Camera
    ) -> list[tuple[float, float, float, Actor, Pose]]:
        return [
            item
            for item in super()._in_view(time_s, camera)
            if self.props[item[3].id - 1].is_there(time_s)
        ]
