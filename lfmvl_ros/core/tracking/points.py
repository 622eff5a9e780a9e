# SPDX-License-Identifier: Apache-2.0
"""Which points of boxes optical flow follows: a grid in each, where nothing nearer hides it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, iou_pairs

BoolArray = NDArray[np.bool_]
INSET = 0.1
SAME_THING_IOU = 0.7
# One point for every so many px of a box's shorter side.
POINT_SPACING_PX = 8.0
FEWEST_ACROSS, MOST_ACROSS = 3, 8


@dataclass(frozen=True, eq=False)
class FollowedPoints:
    """The M points of N boxes that are followed, of a grid of K places in each.

    Attributes:
        grid: ``(2, N, K)`` all places, px.
        chosen: ``(M,)`` those that are followed, as numbers of the flat ``(N, K)``.
        places: ``(M, 2)`` where they are, px.
        rows: ``(M,)`` the box of each.
        weight: ``(M,)`` how much each counts by where in its box it is, see :func:`box_points`.
    """

    grid: FloatArray
    chosen: NDArray[np.intp]
    places: FloatArray
    rows: NDArray[np.intp]
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.chosen)

    def spread(self, values: FloatArray) -> FloatArray:
        """Values ``(..., M)`` of the points at their places ``(..., N, K)``; 0 elsewhere."""
        count, places = self.grid.shape[1:]
        everywhere = np.zeros((*values.shape[:-1], count * places))
        everywhere[..., self.chosen] = values
        return everywhere.reshape(*values.shape[:-1], count, places)

    def share_of(self, found: BoolArray) -> FloatArray:
        """Share ``(N,)`` of each box's points that were found, of ``(M,)``; 0 without points."""
        count = self.grid.shape[1]
        followed = np.maximum(np.bincount(self.rows, minlength=count), 1)
        return np.asarray(np.bincount(self.rows[found], minlength=count) / followed)


def points_to_follow(
    boxes: FloatArray,
    across: NDArray[np.intp],
    solid: BoolArray,
    wh: tuple[int, int],
    ignored: BoolArray | None = None,
) -> FollowedPoints:
    """Return the points of boxes that are in the image and that no nearer box hides.

    Args:
        boxes: ``(N, 4)`` xyxy.
        across: ``(N,)`` points along the sides of each, see :func:`points_across`.
        solid: ``(N,)`` boxes that hide what is behind them.
        wh: size of the image.
        ignored: ``(N,)`` boxes without points; None for none.
    """
    grid, weight = box_points(boxes, across, wh)
    usable = (weight > 0) & visible(grid, boxes, solid, wh)
    if ignored is not None:
        usable[ignored] = False
    chosen = np.flatnonzero(usable)
    places = grid.reshape(2, -1)[:, chosen].T
    rows = chosen // usable.shape[1]
    return FollowedPoints(grid, chosen, places, rows, weight.reshape(-1)[chosen])


def points_across(boxes: FloatArray, most_points: int) -> NDArray[np.intp]:
    """How many points ``(N,)`` to follow along the sides of boxes, ``most_points`` in all.

    Args:
        boxes: ``(N, 4)`` xyxy, px of the small image.
        most_points: for all boxes together; 3x3 for each is the least.
    """
    shorter = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    wanted = np.rint(shorter / POINT_SPACING_PX)
    wanted = np.minimum(np.maximum(wanted, FEWEST_ACROSS), MOST_ACROSS)
    limit = MOST_ACROSS
    while limit > FEWEST_ACROSS and float((np.minimum(wanted, limit) ** 2).sum()) > most_points:
        limit -= 1
    return np.asarray(np.minimum(wanted, limit), np.intp)


@lru_cache(maxsize=8)
def _unit_points(across: int, most: int) -> tuple[FloatArray, FloatArray]:
    """``across^2`` points ``(2, most^2)`` in a box of side 1, and their weight ``(most^2,)``.

    Points beyond their number have a weight of 0. Not to be written to.
    """
    number = np.arange(most**2)
    share = (np.stack([number % across, number // across]) + 0.5) / across
    weight = np.exp(-(((share - 0.5) / 0.4) ** 2).sum(axis=0))
    weight[number >= across**2] = 0.0
    return INSET + (1 - 2 * INSET) * share, weight


def box_points(
    boxes: FloatArray, across: NDArray[np.intp], wh: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return points ``(2, N, K)`` spread over each box within the image, and weights ``(N, K)``.

    Points in the middle weigh more, since they are most likely on the object. Boxes with fewer than
    K points have weights of 0 at the end.

    Args:
        boxes: ``(N, 4)`` xyxy.
        across: ``(N,)`` points along the sides of each.
        wh: size of the image.
    """
    sides = across.tolist()
    most = max(sides, default=1)
    units = [_unit_points(side, most) for side in sides]
    inside = np.minimum(np.maximum(boxes, 0.0), np.array([*wh, *wh], dtype=np.float64)).T
    points = np.empty((2, len(sides), most**2))
    weight = np.empty((len(sides), most**2))
    for row, (unit, each) in enumerate(units):
        points[:, row], weight[row] = unit, each
    points *= (inside[2:] - inside[:2])[:, :, None]
    points += inside[:2, :, None]
    points -= 0.5
    return points, weight


def visible(
    points: FloatArray, boxes: FloatArray, solid: BoolArray, wh: tuple[int, int]
) -> BoolArray:
    """Return which points ``(N, K)`` of ``(2, N, K)`` are in the image and under no nearer box.

    Of two objects on one floor, the nearer one reaches further down in the image.

    Args:
        points: ``(2, N, K)`` of each box.
        boxes: ``(N, 4)`` xyxy.
        solid: ``(N,)`` boxes that hide what is behind them.
        wh: size of the image.
    """
    x, y = points
    usable = (x >= 0) & (x <= wh[0] - 1) & (y >= 0) & (y <= wh[1] - 1)
    nearer = (boxes[None, :, 3] > boxes[:, None, 3]) & solid[None, :]
    behind, front = np.nonzero(nearer)
    shared = iou_pairs(boxes[behind], boxes[front])
    # Two boxes nearly alike are two tracks of one thing; neither hides the other.
    covers = (shared > 0) & (shared < SAME_THING_IOU)
    behind, front = behind[covers], front[covers]
    if behind.size:
        x, y, low, high = x[behind], y[behind], boxes[front, :2, None], boxes[front, 2:, None]
        covered = (x > low[:, 0]) & (x < high[:, 0]) & (y > low[:, 1]) & (y < high[:, 1])
        # ``behind`` grows: one group of pairs for each box that something covers.
        first = np.concatenate([[0], np.flatnonzero(behind[1:] != behind[:-1]) + 1])
        usable[behind[first]] &= ~np.logical_or.reduceat(covered, first, axis=0)
    return np.asarray(usable)
