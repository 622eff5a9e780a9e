# SPDX-License-Identifier: Apache-2.0
"""Copies of the track table."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from lfmvl_ros.core.tracking.table import Table, are_well_inside, put, share_in_image
from lfmvl_ros.core.tracking.update import LEFT_SHARE


def test_a_changed_table_equals_what_dataclasses_make_of_it() -> None:
    table = Table(stamp_ns=3, ids=np.array([1, 2]), noise_scale=np.ones(2))
    columns = {"stamp_ns": 7, "noise_scale": np.array([2.0, 3.0])}
    ours, theirs = table.changed(**columns), replace(table, **columns)
    for item in fields(Table):
        assert np.array_equal(getattr(ours, item.name), getattr(theirs, item.name))
    assert table.stamp_ns == 3
    assert len(ours) == 2


def test_a_column_that_does_not_exist_is_named() -> None:
    with pytest.raises(TypeError, match=r"no column.*'means'"):
        Table().changed(means=np.zeros((0, 8)))


def test_values_are_put_at_rows_of_a_new_column() -> None:
    column = np.zeros(3)
    assert put(column, np.array([2, 0]), np.array([5.0, 7.0])).tolist() == [7.0, 0.0, 5.0]
    assert put(column, np.array([1]), 4.0).tolist() == [0.0, 4.0, 0.0]
    assert put(column, slice(None), 4.0).tolist() == [4.0, 4.0, 4.0]
    assert put(column, slice(None), np.arange(3.0)).tolist() == [0.0, 1.0, 2.0]
    assert not column.any()


def test_a_box_that_is_well_inside_has_not_left_the_image() -> None:
    rng = np.random.default_rng(4)
    wh = (640, 360)
    mean = np.zeros((20_000, 8))
    mean[:, :2] = rng.choice([0.0, 1.0, 2.0, 320.0, 358.0, 359.0, 639.0, 640.0, 700.0], (20_000, 2))
    mean[:, 2:4] = 10 ** rng.uniform(-1, 6, (20_000, 2))
    inside = are_well_inside(mean, wh).all(axis=1)
    assert 0 < inside.sum() < len(mean)
    assert (share_in_image(mean, wh)[inside] >= LEFT_SHARE).all()
