# SPDX-License-Identifier: Apache-2.0
"""Boxes in three dimensions, over the image and from above."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.viz.solids import Solid, TopView, draw_solids

LENS = Intrinsics(200.0, 200.0, 159.5, 119.5)
RED = (255, 0, 0)


def solid(x: float, y: float, z: float, **options: object) -> Solid:
    pose = RigidTransform(np.eye(3), np.array([x, y, z]))
    return Solid(pose, np.array([0.4, 0.2, 0.6]), RED, **options)  # type: ignore[arg-type]


def box_of(pixels: np.ndarray) -> list[int]:
    rows, columns = np.nonzero((pixels == RED).all(axis=2))
    return [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]


def test_edges_are_where_the_camera_sees_the_corners() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_solids(black, [solid(0, 0, 2.3)], LENS, RigidTransform.identity())
    assert not black.any()
    # The near side, at 2 m, is 40 x 20 px about the middle.
    assert np.abs(np.array(box_of(drawn)) - [140, 110, 180, 130]).max() <= 2


def test_what_is_behind_the_camera_is_not_drawn() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    behind = [solid(0, 0, -2), solid(0, 0, 0.2)]
    assert not draw_solids(black, behind, LENS, RigidTransform.identity()).any()


def test_from_above_x_is_to_the_right_and_y_up() -> None:
    view = TopView((200, 200), np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    item = solid(
        0.5, 0.5, 0, covariance=np.diag([0.0001, 0.0001, 1]), trail_m=np.array([[0, 0.5, 0]] * 2)
    )
    drawn = view.draw([item], [], RigidTransform.identity())
    x0, y0, x1, y1 = box_of(drawn)
    assert drawn.shape == (200, 200, 3)
    assert abs((x0 + x1) / 2 - 150) < 55  # the trail reaches to x = 0
    assert abs(x1 - 170) <= 2
    assert abs(y0 - 40) <= 2
    assert abs(y1 - 60) <= 2
