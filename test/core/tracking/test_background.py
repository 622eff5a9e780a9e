# SPDX-License-Identifier: Apache-2.0
"""Flow of the background that is kept for replays: the same result, from fewer points."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfmvl_ros.core.tracking import Intrinsics
from lfmvl_ros.core.tracking.background import GridFlow, grid_points, outside_boxes
from lfmvl_ros.core.tracking.flow import BoxMotion, box_motion

from ...examples import examples

WH = (480, 360)
SHIFT = (3.0, -2.0)


def images() -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(2).integers(0, 256, (WH[1], WH[0]), np.uint8)
    before = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)
    step = np.array([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]])
    return before, cv2.warpAffine(before, step, WH, borderMode=cv2.BORDER_REFLECT)


BEFORE, AFTER = images()


def boxes_of(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-20, 400, (count, 2))
    return np.concatenate([low, low + rng.uniform(10, 150, (count, 2))], axis=1)


def moved(boxes: np.ndarray, grid: GridFlow | None, turn: np.ndarray | None = None) -> BoxMotion:
    count = len(boxes)
    return box_motion(
        BEFORE,
        AFTER,
        boxes,
        across=np.full(count, 4),
        expected=np.zeros((count, 2, 2)),
        likely=np.full((count, 2), 0.5),
        expected_sigma=np.full(count, 10.0),
        solid=np.ones(count, bool),
        rotation=turn,
        grid=grid,
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_points_outside_boxes_are_those_that_lie_in_none(seed: int, count: int) -> None:
    boxes = boxes_of(seed, count)
    for (x, y), outside in zip(grid_points(WH), outside_boxes(boxes, WH), strict=True):
        inside = [x1 < x < x2 and y1 < y < y2 for x1, y1, x2, y2 in boxes]
        assert outside == (not any(inside))


@examples(15)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6))
def test_a_replay_with_other_boxes_finds_to_the_digit_what_it_would_from_nothing(
    seed: int, first: int, second: int
) -> None:
    kept = moved(boxes_of(seed, first), None).grid
    boxes = boxes_of(seed + 1, second)
    replayed, anew = moved(boxes, kept), moved(boxes, None)
    for name in ("shift", "scale", "support", "background"):
        np.testing.assert_array_equal(getattr(replayed, name), getattr(anew, name))
    np.testing.assert_array_equal(replayed.camera, anew.camera)
    assert (replayed.grid.asked == kept.asked | anew.grid.asked).all()


def test_points_that_were_followed_are_not_followed_again() -> None:
    """A grid that claims another movement is believed."""
    boxes = boxes_of(5, 3)
    kept = moved(boxes, None).grid
    np.testing.assert_allclose(kept.camera[:2, 2], SHIFT, atol=0.2)
    claimed = replace(kept, moved=kept.moved + np.array([5.0, 0.0]), fitted=None)
    again = moved(boxes, claimed)
    np.testing.assert_allclose(again.camera[:2, 2], [SHIFT[0] + 5, SHIFT[1]], atol=0.2)


def test_points_looked_for_elsewhere_are_followed_again() -> None:
    boxes, lens = boxes_of(5, 3), Intrinsics(400.0, 400.0, 240.0, 180.0)
    kept = moved(boxes, None).grid
    turn = lens.homography(Rotation.from_rotvec([0.003, -0.004, 0]).as_matrix(), np.ones(2))
    replayed, anew = moved(boxes, kept, turn), moved(boxes, None, turn)
    np.testing.assert_array_equal(replayed.camera, anew.camera)
    np.testing.assert_array_equal(replayed.shift, anew.shift)
    assert (replayed.grid.moved == anew.grid.moved).all()
    assert moved(boxes, anew.grid, turn.copy()).grid is anew.grid
