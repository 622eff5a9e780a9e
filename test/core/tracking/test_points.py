# SPDX-License-Identifier: Apache-2.0
"""Which points of boxes are followed, and how what was measured at them goes back to the boxes."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.core.tracking.points import FollowedPoints, points_to_follow

WH = (320, 240)
# The second box stands in front of the first one's right half; the third lies beside both.
BOXES = np.array([[20.0, 20, 100, 100], [60, 20, 140, 140], [200, 50, 240, 90]])


def followed(ignored: np.ndarray | None = None) -> FollowedPoints:
    across = np.array([6, 6, 4], np.intp)
    return points_to_follow(BOXES, across, np.ones(3, np.bool_), WH, ignored)


def test_points_lie_in_their_box_and_not_behind_a_nearer_one() -> None:
    points = followed()
    box = BOXES[points.rows]
    assert (points.places > box[:, :2]).all()
    assert (points.places < box[:, 2:]).all()
    assert (points.places[points.rows == 0, 0] <= 60).all()
    assert np.bincount(points.rows).tolist() == [18, 36, 16]
    assert (points.weight > 0).all()


def test_an_ignored_box_has_no_points_and_hides_what_is_behind_it_all_the_same() -> None:
    points = followed(np.array([False, True, False]))
    assert np.bincount(points.rows, minlength=3).tolist() == [18, 0, 16]


def test_values_go_back_to_the_places_of_their_points() -> None:
    points = followed()
    spread = points.spread(points.places.T)
    assert spread.shape == points.grid.shape
    at = spread.reshape(2, -1)[:, points.chosen]
    assert np.array_equal(at, points.places.T)
    elsewhere = np.ones(points.grid[0].size, np.bool_)
    elsewhere[points.chosen] = False
    assert not spread.reshape(2, -1)[:, elsewhere].any()
    assert points.spread(points.weight).shape == points.grid.shape[1:]


def test_the_share_of_points_found_is_that_of_each_box() -> None:
    points = followed(np.array([False, True, False]))
    found = points.rows == 2
    found[np.flatnonzero(points.rows == 0)[:9]] = True
    assert points.share_of(found) == pytest.approx([0.5, 0.0, 1.0])


def test_no_boxes_have_no_points() -> None:
    none = np.zeros((0, 4))
    points = points_to_follow(none, np.zeros(0, np.intp), np.zeros(0, np.bool_), WH)
    assert len(points) == 0
    assert points.share_of(np.zeros(0, np.bool_)).shape == (0,)
