# SPDX-License-Identifier: Apache-2.0
"""Pick poses are drawn where they are, and those behind the camera are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.places import PickPoint, Place, Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.viz.picks import draw_picks

LENS = Intrinsics(100.0, 100.0, 50.0, 40.0)


def drawn(z_m: float) -> list[tuple[int, int]]:
    point, eye = np.array([0.2, 0.1, z_m]), np.eye(3)
    pick = PickPoint(point, eye * 1e-4, np.array([-1.0, 0.0, 0.0]), 0.1)
    bare = Place(point, eye, point, eye, np.ones(3))
    places = Places(0, "lens", {1: replace(bare, pick=pick), 2: bare})
    canvas = np.zeros((80, 100, 3), np.uint8)
    draw_picks(canvas, places, LENS, RigidTransform.identity())
    rows, columns = np.nonzero(canvas.any(axis=2))
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def test_an_arrow_goes_from_the_point_along_the_normal() -> None:
    pixels = drawn(1.0)
    assert (70, 50) in pixels  # 0.2 m right, 0.1 m down, at 1 m
    assert min(x for x, _ in pixels) in range(45, 52)  # 0.2 m to the left of it
    assert all(abs(y - 50) < 8 for _, y in pixels)


def test_what_is_behind_the_camera_is_not_drawn() -> None:
    assert drawn(-1.0) == []
