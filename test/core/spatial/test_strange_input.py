# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in: boxes beyond the image, absurd sizes, lenses, poses and gaps in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform

from .rendered import LENS, WH, block, image_of, tracks_of

T0 = 1_700_000_000_000_000_000
# A camera 1 m above the floor that looks ahead and down.
TILT = np.radians(20)
ABOVE_FLOOR = RigidTransform(
    np.array([[0, -np.sin(TILT), np.cos(TILT)], [-1, 0, 0], [0, -np.cos(TILT), -np.sin(TILT)]]),
    np.array([0, 0, 1.0]),
)
SOURCES = (PlaceSource.DEPTH, PlaceSource.FLOOR, PlaceSource.SIZE)
sources = pytest.mark.parametrize("source", SOURCES)


@pytest.fixture(autouse=True)
def no_failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An error is raised here, and a number that overflows is one."""
    monkeypatch.setattr(Failures, "guard", lambda _, track, find: find())
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield


def placer(source: PlaceSource) -> Placer:
    sizes = {"box": (0.4, 0.4, 0.4)} if source is PlaceSource.SIZE else {}
    return Placer(PlacerOptions(source, "map", sizes, max_sigma_m=np.inf))


def places(source: PlaceSource, boxes: np.ndarray) -> Places:
    made = block(0)
    return placer(source).place(tracks_of(boxes, T0), image_of(made, T0), LENS, ABOVE_FLOOR)


edges = st.floats(-500, 500) | st.sampled_from([-1e300, -1e9, -0.0, 0.0, 5e-324, 1e9, 1e300])


@st.composite
def anywhere(draw: st.DrawFn) -> list[float]:
    """Return a box of any size, in the image, across its border or beyond it."""
    x, y = sorted(draw(st.tuples(edges, edges))), sorted(draw(st.tuples(edges, edges)))
    x[1], y[1] = max(x[1], np.nextafter(x[0], np.inf)), max(y[1], np.nextafter(y[0], np.inf))
    return [x[0], y[0], x[1], y[1]]


@sources
@given(anywhere())
def test_of_a_box_only_what_is_in_the_image_counts(source: PlaceSource, box: list[float]) -> None:
    got = places(source, np.array([box]))
    cut = np.clip(box, 0, [*WH, *WH])
    if min(cut[2:] - cut[:2]) < 2:
        assert got.refused == {1: Refusal.OUTSIDE_IMAGE}
        return
    same = places(source, np.array([cut]))
    assert got.refused == same.refused
    for track, place in got.by_id.items():
        assert (place.centre_m == same.by_id[track].centre_m).all()
        assert (place.covariance == same.by_id[track].covariance).all()
