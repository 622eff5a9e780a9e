# SPDX-License-Identifier: Apache-2.0
"""Measures how the camera moved from one frame to the next: the motion of most background points.

Points of a grid that lie in no box are followed together with those of the boxes. Their motion
depends only on the two frames, so a replay of the same frames follows only the points that were in
boxes the first time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.tracking.points import BoolArray

GRID = (14, 8)  # columns, rows
LEAST_POINTS = 8
TOLERANCE_PX = 1.0


@dataclass(frozen=True, eq=False)
class GridFlow:
    """Where the points of the grid went from one frame to the next, as far as they were followed.

    Attributes:
        turn: ``(3, 3)`` homography with which their search started; None: where they were.
        asked: ``(G,)`` the points that were followed.
        good: ``(G,)`` those that were found.
        moved: ``(G, 2)`` where they went, px.
        fitted: ``(G,)`` the points that ``camera`` was fitted to.
        camera: ``(3, 3)`` see :meth:`with_camera`.
    """

    turn: FloatArray | None
    asked: BoolArray
    good: BoolArray
    moved: FloatArray
    fitted: BoolArray | None = None
    camera: FloatArray | None = None

    @classmethod
    def empty(cls, turn: FloatArray | None) -> GridFlow:
        """Return a grid of which no point has been followed yet."""
        count = GRID[0] * GRID[1]
        none = np.zeros(count, np.bool_)
        return cls(turn, none, none, np.zeros((count, 2)))

    def is_for(self, turn: FloatArray | None) -> bool:
        """Return whether the search for points would start at the same places."""
        if turn is None or self.turn is None:
            return turn is self.turn
        return bool((turn == self.turn).all())

    def with_points(self, asked: BoolArray, moved: FloatArray, good: BoolArray) -> GridFlow:
        """Return this with more points followed.

        Args:
            asked: ``(G,)`` B points.
            moved: ``(B, 2)`` where they went.
            good: ``(B,)`` those that were found.
        """
        if not len(good):
            return self
        everywhere, found = self.moved.copy(), self.good.copy()
        everywhere[asked], found[asked] = moved, good
        return replace(self, asked=self.asked | asked, moved=everywhere, good=found)

    def with_camera(self, outside: BoolArray, foreseen: FloatArray) -> GridFlow:
        """Return this with the camera's movement fitted to the points outside of boxes.

        Args:
            outside: ``(G,)`` points in no box, all of them followed.
            foreseen: ``(G, 2)`` where their search started.
        """
        fitted = outside & self.good
        if self.fitted is not None and (fitted == self.fitted).all():
            return self
        camera = camera_motion(foreseen[fitted], self.moved[fitted])
        return replace(self, fitted=fitted, camera=camera)


@lru_cache(maxsize=8)
def grid_points(wh: tuple[int, int]) -> FloatArray:
    """Points ``(G, 2)`` spread over an image, row by row; not to be written to."""
    columns, rows = GRID
    x = (np.arange(columns) + 0.5) * wh[0] / columns
    y = (np.arange(rows) + 0.5) * wh[1] / rows
    points = np.stack([np.tile(x, rows), np.repeat(y, columns)], axis=1)
    points.setflags(write=False)
    return points


def outside_boxes(boxes: FloatArray, wh: tuple[int, int]) -> BoolArray:
    """Which points ``(G,)`` of the grid lie in none of the boxes ``(N, 4)``."""
    columns, rows = GRID
    points = grid_points(wh)
    x, y = points[:columns, 0], points[::columns, 1]
    across = (x > boxes[:, :1]) & (x < boxes[:, 2:3])
    down = (y > boxes[:, 1:2]) & (y < boxes[:, 3:4])
    inside = (down[:, :, None] & across[:, None, :]).any(axis=0)
    return np.asarray(~inside.reshape(columns * rows))


def camera_motion(start: FloatArray, end: FloatArray) -> FloatArray | None:
    """Similarity ``(3, 3)`` that most background points ``(B, 2)`` agree on, or None."""
    if len(start) < LEAST_POINTS:
        return None
    motion, agree = cv2.estimateAffinePartial2D(
        start,
        end,
        method=cv2.RANSAC,
        ransacReprojThreshold=TOLERANCE_PX,
        maxIters=200,
        refineIters=3,
    )
    if motion is None or int(agree.sum()) < max(LEAST_POINTS, len(start) // 3):
        return None
    return np.concatenate([np.asarray(motion, np.float64), [[0.0, 0.0, 1.0]]])
