# SPDX-License-Identifier: Apache-2.0
"""Zones: inside agrees with OpenCV, probabilities with drawing points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.rules.polygons import Polygon, is_simple

SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
U_SHAPE = np.array([[0.0, 0], [3, 0], [3, 3], [2, 3], [2, 1], [1, 1], [1, 3], [0, 3]])


@st.composite
def stars(draw: st.DrawFn) -> np.ndarray:
    """Outlines around the origin that do not cross themselves, most of them not convex."""
    count = draw(st.integers(3, 9))
    radius = np.array(draw(st.lists(st.floats(0.2, 2), min_size=count, max_size=count)))
    angle = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


@given(stars(), st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=9))
def test_inside_agrees_with_opencv(points: np.ndarray, xy: list[tuple[float, float]]) -> None:
    polygon, outline = Polygon(points), points.astype(np.float32)
    for point, found in zip(xy, polygon.inside(np.array(xy)), strict=True):
        distance = cv2.pointPolygonTest(outline, point, True)
        if abs(distance) > 1e-4:  # on the outline, both may say either
            assert found == (distance > 0)


@given(stars(), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.001, 3))
def test_more_probably_inside_than_not_exactly_where_it_is_inside(
    points: np.ndarray, x: float, y: float, sigma: float
) -> None:
    polygon, xy = Polygon(points), np.array([[x, y]])
    (p,) = polygon.probability(xy, np.eye(2)[None] * sigma**2)
    assert 0 <= p <= 1
    assert p >= 0.5 if polygon.inside(xy)[0] else p <= 0.5


@pytest.mark.parametrize("outline", [SQUARE * 10, U_SHAPE * 10])
def test_probabilities_are_those_of_drawn_points(outline: np.ndarray) -> None:
    """Of points whose uncertainty is small beside the zone, also across it and along it."""
    rng, polygon = np.random.default_rng(0), Polygon(outline)
    covariance = np.array([[0.6, 0.3], [0.3, 0.4]])
    off = []
    for xy in rng.uniform(-2, outline.max() + 2, (150, 2)):
        drawn = rng.multivariate_normal(xy, covariance, 4000)
        (p,) = polygon.probability(xy[None], covariance[None])
        off.append(abs(p - polygon.inside(drawn).mean()))
    assert np.quantile(off, 0.9) < 0.05
    assert max(off) < 0.35  # at a corner, where two edges count


def test_an_edge_on_the_border_of_the_image_is_no_border() -> None:
    """A box that the image cuts has its lower side there: it goes on outside."""
    points = np.array([[0.25, 0.5], [0.75, 0.5], [0.75, 1.0], [0.25, 1.0]])
    foot, unsure = np.array([[0.5, 1.0], [0.5, 1.1], [0.9, 1.0]]), np.eye(2)[None] * 1e-4
    p = Polygon(points, (0.0, 1.0)).probability(foot, np.repeat(unsure, 3, axis=0))
    assert (p > 0.99).tolist() == [True, True, False]
    assert p[2] < 0.01
    assert Polygon(points).probability(foot[:1], unsure)[0] == pytest.approx(0.5)
    whole = Polygon(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), (0.0, 1.0))
    assert (whole.probability(foot, np.repeat(unsure, 3, axis=0)) == 1).all()


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0], [1, 1], [1, 0], [0, 1]],  # crosses itself
        [[0, 0], [1, 0]],  # a line
        [[0, 0], [1, 0], [2, 0]],  # flat
        [[0, 0], [2, 0], [1, 0], [1, 1]],  # goes back over itself
        [[0, 0], [0, 0], [1, 1], [1, 0]],  # a corner twice
    ],
)
def test_what_is_no_polygon_is_refused(points: list[list[float]]) -> None:
    assert not is_simple(np.array(points, dtype=np.float64))
    with pytest.raises(ValueError, match="cross"):
        Polygon(np.array(points, dtype=np.float64))


@given(stars(), st.booleans())
def test_either_direction_is_a_polygon(points: np.ndarray, turned: bool) -> None:
    assert is_simple(points[::-1] if turned else points)
