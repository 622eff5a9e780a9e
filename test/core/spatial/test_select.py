# SPDX-License-Identifier: Apache-2.0
"""Which object is meant where only one pose is published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config_spatial import SpatialSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.spatial.places import Place
from lfmvl_ros.core.spatial.select import Selection, Selector

LABELS = {1: "red tote", 2: "Red_Tote", 3: "person"}
EYE = np.array([1.0, 0.0, 0.0])


def at(distance_m: float) -> Place:
    where, small = EYE + np.array([0.0, distance_m, 0.0]), 1e-4 * np.eye(3)
    return Place(where, small, where, small, np.full(3, 0.2))


def test_the_nearest_and_only_the_labels_and_ids_that_are_wanted() -> None:
    placed = {1: at(2.0), 2: at(1.0), 3: at(0.5)}
    for text, chosen in (
        ("nearest", 3),
        ("label: the red tote", 2),
        ("id:1", 1),
        ("id:9", None),
        ("label:forklift", None),
    ):
        assert Selector().choose(Selection.parse(text), placed, LABELS, EYE) == chosen


@pytest.mark.parametrize("text", ["", "id:", "id:0", "id:-1", "id:x", "label:", "red tote", "id:²"])
def test_what_is_no_selection_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="label:red tote"):
        SpatialSettings(select=text)


@given(st.lists(st.floats(0.95, 1.05), min_size=2, max_size=12))
def test_two_objects_at_one_distance_do_not_take_turns(distances_m: list[float]) -> None:
    selector, any_ = Selector(), Selection()
    chosen = {
        selector.choose(any_, {1: at(1.0), 2: at(distance)}, LABELS, EYE)
        for distance in distances_m
    }
    assert len(chosen) == 1


def test_one_that_is_clearly_nearer_takes_over_and_one_that_is_gone_is_let_go() -> None:
    selector, any_ = Selector(), Selection()
    assert selector.choose(any_, {1: at(1.0)}, LABELS, EYE) == 1
    assert selector.choose(any_, {1: at(1.0), 2: at(0.8)}, LABELS, EYE) == 2
    assert selector.choose(any_, {1: at(0.75)}, LABELS, EYE) == 1
    assert selector.choose(any_, {}, LABELS, EYE) is None
