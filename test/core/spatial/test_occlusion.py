# SPDX-License-Identifier: Apache-2.0
"""What stands in front of an object does not lend it its distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import TrackState

from ...examples import examples
from .rendered import LENS, WH, tracks_of

T0 = 1_700_000_000_000_000_000
STEP = 200_000_000
HERE = RigidTransform.identity()
WALL_M, CRATE_M, PERSON_M = 6.0, 4.0, 2.0
CRATE = np.array([60.0, 50.0, 100.0, 90.0])
CRATE_ID, PERSON_ID = 1, 2


def person_box(middle: float, wide: float = 26.0) -> np.ndarray:
    return np.array([middle - wide / 2, 15.0, middle + wide / 2, 110.0])


def image(seed: int, *boxes: tuple[np.ndarray, float]) -> np.ndarray:
    """Return ``(H, W)`` depth of flat things before a wall, the later ones in front."""
    rng = np.random.default_rng(seed)
    depth = np.full(WH[::-1], WALL_M, np.float32)
    for box, z in boxes:
        x0, y0, x1, y1 = box.astype(int)
        depth[y0:y1, x0:x1] = z
    return (depth * (1 + 0.002 * rng.normal(size=depth.shape))).astype(np.float32)


def place(
    placer: Placer,
    step: int,
    depth: np.ndarray,
    *boxes: np.ndarray,
    states: tuple[TrackState, ...] | None = None,
) -> Places:
    stamp = T0 + step * STEP
    tracks = tracks_of(np.array(boxes), stamp)
    if states is not None:
        tracks = replace(tracks, state=states)
    return placer.place(tracks, DepthImage(depth, stamp, "camera"), LENS, HERE)


SEEN, COASTING = TrackState.CONFIRMED, TrackState.COASTING
seeds = st.integers(0, 2**32 - 1)


@examples(40)
@given(seeds, st.floats(66, 94), st.floats(8, 20))
def test_a_box_around_a_partly_hidden_object_gets_its_own_distance(
    seed: int, middle: float, wide: float
) -> None:
    """Somebody stands in the middle of the crate's box; the crate shows beside them."""
    person = person_box(middle, wide)
    depth = image(seed, (CRATE, CRATE_M), (person, PERSON_M))
    got = place(Placer(), 0, depth, CRATE, person)
    assert got.by_id[PERSON_ID].surface_m[2] == pytest.approx(PERSON_M, rel=0.05)
    assert got.by_id[CRATE_ID].surface_m[2] == pytest.approx(CRATE_M, rel=0.05)


@examples(6)
@given(seeds, st.booleans())
def test_an_object_that_is_hidden_keeps_its_place_and_then_has_none(
    seed: int, tracked: bool
) -> None:
    placer = Placer(PlacerOptions(coast_s=1.0))
    person = person_box(80, 56)
    for k in range(3):
        place(placer, k, image(seed, (CRATE, CRATE_M)), CRATE)
    depth = image(seed, (CRATE, CRATE_M), (person, PERSON_M))
    boxes = (CRATE, person) if tracked else (CRATE,)
    for k in range(3, 14):
        got = place(placer, k, depth, *boxes, states=(COASTING, SEEN)[: len(boxes)])
        if k < 8:
            found = got.by_id[CRATE_ID]
            assert found.source is PlaceSource.COASTED
            assert abs(found.surface_m[2] - CRATE_M) < 0.1
        else:
            assert got.refused[CRATE_ID] is Refusal.OCCLUDED
    got = place(placer, 14, image(seed, (CRATE, CRATE_M)), CRATE)
    assert got.by_id[CRATE_ID].source is PlaceSource.DEPTH
    assert got.by_id[CRATE_ID].surface_m[2] == pytest.approx(CRATE_M, rel=0.05)


def test_a_hidden_object_nothing_is_remembered_of_has_no_place() -> None:
    person = person_box(80, 56)
    depth = image(0, (CRATE, CRATE_M), (person, PERSON_M))
    got = place(Placer(), 0, depth, CRATE, person, states=(COASTING, SEEN))
    assert got.refused == {CRATE_ID: Refusal.OCCLUDED}
    assert got.by_id[PERSON_ID].surface_m[2] == pytest.approx(PERSON_M, rel=0.05)


def test_a_part_of_an_object_has_the_distance_of_its_surface() -> None:
    """A vest on a person is no object behind them."""
    person, vest = person_box(80, 40), np.array([64.0, 40.0, 96.0, 70.0])
    got = place(Placer(), 0, image(0, (person, PERSON_M)), vest, person)
    assert [got.by_id[k].surface_m[2] for k in (1, 2)] == pytest.approx([PERSON_M] * 2, rel=0.05)


def test_two_names_of_one_object_share_its_surface() -> None:
    person = person_box(80, 40)
    other = person + np.array([2.0, -3.0, 4.0, 1.0])
    got = place(Placer(), 0, image(0, (person, PERSON_M)), person, other)
    assert [got.by_id[k].surface_m[2] for k in (1, 2)] == pytest.approx([PERSON_M] * 2, rel=0.05)


def test_an_object_that_jumped_ahead_has_its_new_place_at_once() -> None:
    """It fits its box as a whole object does, and the model sees it."""
    placer = Placer()
    for k in range(3):
        place(placer, k, image(k, (CRATE, CRATE_M)), CRATE)
    got = place(placer, 3, image(3, (CRATE, PERSON_M)), CRATE)
    assert got.by_id[CRATE_ID].source is PlaceSource.DEPTH
    assert got.by_id[CRATE_ID].surface_m[2] == pytest.approx(PERSON_M, rel=0.05)


def test_an_object_that_is_gone_is_not_the_wall_behind_it() -> None:
    placer = Placer(PlacerOptions(coast_s=1.0))
    for k in range(3):
        place(placer, k, image(k, (CRATE, CRATE_M)), CRATE)
    for k in range(3, 12):
        got = place(placer, k, image(k), CRATE, states=(COASTING,))
    assert got.refused == {CRATE_ID: Refusal.NO_FOREGROUND}


def test_a_track_that_is_seen_on_and_on_elsewhere_is_there() -> None:
    """Its first place was wrong: after ``coast_s`` what the model sees counts."""
    placer = Placer(PlacerOptions(coast_s=1.0, max_sigma_m=10.0))
    poster = np.array([30.0, 20.0, 130.0, 100.0])
    for k in range(3):
        place(placer, k, image(k, (poster, 3.0)), poster)
    for k in range(3, 12):
        got = place(placer, k, image(k), poster)
    assert got.by_id[CRATE_ID].source is PlaceSource.DEPTH
    assert got.by_id[CRATE_ID].surface_m[2] == pytest.approx(WALL_M, rel=0.05)
