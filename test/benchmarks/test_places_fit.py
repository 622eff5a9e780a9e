# SPDX-License-Identifier: Apache-2.0
"""The fit of the places' weights says so where its regions can't hold what they promise."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def places_fit(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module("places_fit")
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").exists():
            del sys.modules[name]


def seen(hidden: float) -> SimpleNamespace:
    return SimpleNamespace(
        extent=SimpleNamespace(hidden=(hidden, 0.0)), case=SimpleNamespace(seen=1.0, cut=False)
    )


def held(places_fit: ModuleType, hidden: list[float], error_m: float) -> tuple[object, object]:
    """Fit objects seen whole, and others whose depth is off by so much."""
    every = [seen(0.0)] * 20 + [seen(share) for share in hidden]
    error = np.zeros((len(every), 3))
    error[:20, 2] = np.linspace(0.01, 0.02, 20)
    error[20:, 2] = error_m
    along, across = np.full((len(every), 8), 1e-4), [np.full((len(every), 7), 1e-4)] * 2
    found: tuple[object, object] = places_fit.hold_in_each_group(
        every, error, error[:, :2], (along, across), np.ones(8), np.ones((2, 7))
    )
    return found


def test_a_scale_that_holds_is_taken(places_fit: ModuleType) -> None:
    held(places_fit, [0.5] * 10 + [1.0] * 10, 0.03)


def test_where_no_scale_holds_it_says_so(places_fit: ModuleType) -> None:
    with pytest.raises(UserError, match=r"no scale of the variances .* with hidden ends"):
        held(places_fit, [0.5] * 10 + [1.0] * 10, 1e4)


def test_a_group_without_objects_is_named(places_fit: ModuleType) -> None:
    with pytest.raises(UserError, match="no object has cut ends: take more --scenes"):
        held(places_fit, [0.5] * 10, 0.03)
