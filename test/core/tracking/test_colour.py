# SPDX-License-Identifier: Apache-2.0
"""Colours of an object against those around it."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.core.tracking import colour

BOX = np.array([[0.3, 0.3, 0.5, 0.7]])


def scene(inside: tuple[int, int, int], outside: tuple[int, int, int]) -> np.ndarray:
    """A box of one colour that covers :data:`BOX`, with some noise, in an image of 160x90."""
    image = np.empty((90, 160, 3), np.int16)
    image[:] = outside
    image[27:63, 48:80] = inside
    noisy = image + np.random.default_rng(0).integers(-5, 6, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_points_on_the_object_count_and_those_beside_it_hardly() -> None:
    image = scene((200, 30, 30), (40, 120, 40))
    table = colour.foreground(image, BOX)
    points = np.array([[0.4, 0.5], [0.6, 0.5], [0.1, 0.9]])
    weight = colour.point_weight(image, table, points, np.zeros(3, np.intp))
    assert weight[0] > 0.8
    assert (weight[1:] < 0.1).all()
    assert (weight > 0).all()


def test_an_object_of_the_colour_of_its_surroundings_is_treated_as_unknown() -> None:
    image = scene((90, 90, 90), (90, 90, 90))
    table = colour.foreground(image, BOX)
    everywhere = np.random.default_rng(1).uniform(0, 1, (50, 2))
    weight = colour.point_weight(image, table, everywhere, np.zeros(50, np.intp))
    known = colour.point_weight(image, colour.nothing_known(1), everywhere, np.zeros(50, np.intp))
    np.testing.assert_allclose(weight, known, atol=0.03)


@pytest.mark.parametrize("other", [(30, 30, 200), (40, 120, 40)])
def test_boxes_are_likelier_those_of_objects_of_their_colours(other: tuple[int, int, int]) -> None:
    image = scene((200, 30, 30), (40, 120, 40))
    table = colour.foreground(image, BOX)
    assert colour.likeness(image, table, BOX)[0] > 1.0
    assert colour.likeness(scene(other, (40, 120, 40)), table, BOX)[0] < 0.1
    assert abs(colour.likeness(image, colour.nothing_known(1), BOX)[0]) < 0.1


def test_boxes_at_and_beyond_the_border_are_finite() -> None:
    image = scene((200, 30, 30), (40, 120, 40))
    boxes = np.array([[-0.2, -0.1, 0.1, 0.2], [0.9, 0.8, 1.4, 1.2], [2.0, 2.0, 3.0, 3.0]])
    table = colour.foreground(image, boxes)
    assert table.shape == (3, colour.BINS)
    assert np.isfinite(colour.likeness(image, table, boxes)).all()
