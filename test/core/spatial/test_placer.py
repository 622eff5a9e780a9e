# SPDX-License-Identifier: Apache-2.0
"""Places of tracks over time: reasons, fusion, coasting, and places without depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config_spatial import SpatialSettings
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.floor import floor_place, sized_place
from lfmvl_ros.core.spatial.fusion import LASTING, FusedPlace
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import (
    UNKNOWN_ROTATION,
    Place,
    Places,
    PlaceSource,
    Refusal,
)
from lfmvl_ros.core.spatial.rigid import RigidTransform

from ...examples import examples
from .rendered import LENS, WH, block, image_of, tracks_of

T0 = 1_700_000_000_000_000_000
STEP = 200_000_000
HERE = RigidTransform.identity()
seeds = st.integers(0, 2**32 - 1)


def turned(seed: int) -> RigidTransform:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=4)
    return RigidTransform.from_quaternion(rng.normal(size=3), q / np.linalg.norm(q))


def test_every_track_has_a_place_or_a_reason() -> None:
    made = block(0)
    boxes = np.array([made.box, [2.0, 2.0, 3.0, 3.0], [100.0, 5.0, 150.0, 30.0]])
    depth = made.depth_m.copy()
    depth[:40, 95:] = np.nan
    tracks = tracks_of(boxes, T0)
    got = Placer().place(tracks, DepthImage(depth, T0), LENS, HERE)
    assert set(got.by_id) | set(got.refused) == {1, 2, 3}
    assert got.by_id[1].source is PlaceSource.DEPTH
    assert got.refused == {2: Refusal.OUTSIDE_IMAGE, 3: Refusal.TOO_FEW_VALID}
    assert got.by_id[1].rotation_variance_rad2 == UNKNOWN_ROTATION


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"depth": None}, Refusal.NO_DEPTH),
        ({"lens": None}, Refusal.NO_INTRINSICS),
        ({"camera": None}, Refusal.NO_TRANSFORM),
        ({"depth": DepthImage(np.ones((60, 80), np.float32), T0)}, Refusal.UNREGISTERED),
        ({"depth": DepthImage(np.ones((120, 160), np.float32), T0, "ir")}, Refusal.UNREGISTERED),
    ],
)
def test_what_is_missing_is_named(change: dict[str, object], reason: Refusal) -> None:
    made = block(0)
    given_: dict[str, object] = {"depth": image_of(made, T0), "lens": LENS, "camera": HERE}
    got = Placer().place(tracks_of(made.box, T0), **(given_ | change))  # type: ignore[arg-type]
    assert not got.by_id
    assert got.refused == {1: reason}


def test_no_tracks_no_places() -> None:
    got = Placer().place(tracks_of(np.zeros((0, 4)), T0), None, LENS, HERE)
    assert got.by_id == {}
    assert got.refused == {}


@given(seeds, seeds)
def test_the_target_frame_changes_nothing_but_the_frame(seed: int, pose: int) -> None:
    made = block(seed)
    camera = turned(pose)
    tracks, depth = tracks_of(made.box, T0), image_of(made, T0)
    here = Placer().place(tracks, depth, LENS, HERE).by_id[1]
    there = Placer().place(tracks, depth, LENS, camera).by_id[1]
    assert np.allclose(there.centre_m, camera.apply(here.centre_m))
    assert np.allclose(there.surface_m, camera.apply(here.surface_m))
    assert np.allclose(there.covariance, camera.rotate(here.covariance), atol=1e-9)
    assert np.allclose(there.size_m, here.size_m)
    assert there.pick is not None
    assert here.pick is not None
    assert np.allclose(there.pick.normal, camera.rotation @ here.pick.normal, atol=1e-6)


def test_what_never_averages_away_stays_in_the_covariance() -> None:
    """A thousand measurements from one spot are not a thousand times as good as one."""
    covariance = np.diag([0.01, 0.01, 0.04])
    fused = FusedPlace(T0, np.zeros(3), covariance, HERE)
    for k in range(1, 1000):
        fused.update(T0 + k * STEP // 4, np.zeros(3), covariance, HERE)
    ratio = np.diag(fused.covariance) / np.diag(covariance)
    assert (ratio > 0.9 * LASTING).all()
    assert (ratio < 1.0).all()


def test_seen_from_all_around_an_object_is_better_known() -> None:
    covariance = np.diag([0.0025, 0.0025, 0.04])  # the distance is the worst of it
    still, around = (FusedPlace(T0, np.zeros(3), covariance, HERE) for _ in range(2))
    for k in range(1, 60):
        c, s = np.cos(k * 0.1), np.sin(k * 0.1)
        camera = RigidTransform(np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]]), np.zeros(3))
        still.update(T0 + k * STEP, np.zeros(3), covariance, HERE)
        around.update(T0 + k * STEP, np.zeros(3), camera.rotate(covariance), camera)
    assert np.linalg.eigvalsh(around.covariance)[-1] < 0.6 * still.covariance[2, 2]


@examples(30)
@given(seeds)
def test_the_fused_covariance_stays_a_covariance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fused = FusedPlace(T0, rng.normal(size=3), np.eye(3) * 0.01, HERE)
    stamp = T0
    for _ in range(30):
        stamp += int(rng.integers(0, 2 * STEP))
        root = rng.normal(size=(3, 3)) * rng.uniform(0.01, 0.3)
        covariance = root @ root.T + 1e-6 * np.eye(3)
        if rng.random() < 0.3:
            fused.predict(stamp)
        else:
            fused.update(stamp, rng.normal(size=3) * 0.2, covariance, turned(int(rng.integers(99))))
        assert np.isfinite(fused.centre_m).all()
        assert np.linalg.eigvalsh(fused.covariance)[0] > 0


def test_a_moving_object_gets_its_velocity_and_a_still_one_none() -> None:
    rng = np.random.default_rng(0)
    covariance = np.eye(3) * 0.0004
    moving, still = (FusedPlace(T0, np.zeros(3), covariance, HERE) for _ in range(2))
    for k in range(1, 15):
        noise = rng.normal(0, 0.008, (2, 3))
        moving.update(T0 + k * STEP, [0.2 * k, 0, 0] + noise[0], covariance, HERE)
        still.update(T0 + k * STEP, noise[1], covariance, HERE)
    assert moving.velocity_m_s == pytest.approx([1.0, 0, 0], abs=0.15)
    assert (still.velocity_m_s == 0).all()


def test_an_object_that_was_carried_away_starts_anew() -> None:
    covariance = np.eye(3) * 0.0004
    fused = FusedPlace(T0, np.zeros(3), covariance, HERE)
    for k in range(1, 20):
        assert fused.update(T0 + k * STEP, np.zeros(3), covariance, HERE)
    assert not fused.update(T0 + 20 * STEP, np.array([2.0, 0, 0]), covariance, HERE)
    assert fused.centre_m.tolist() == [2.0, 0, 0]


def test_without_depth_a_track_coasts_less_certain_each_time_until_it_ends() -> None:
    made, placer = block(0), Placer(PlacerOptions(coast_s=1.0))
    for k in range(3):
        placer.place(tracks_of(made.box, T0 + k * STEP), image_of(made, T0), LENS, HERE)
    sigmas, last = [], T0 + 2 * STEP
    for k in range(1, 6):
        got = placer.place(tracks_of(made.box, last + k * STEP), None, LENS, HERE)
        assert got.by_id[1].source is PlaceSource.COASTED
        assert got.by_id[1].pick is None
        sigmas.append(got.by_id[1].sigma_m)
    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > sigmas[0]
    got = placer.place(tracks_of(made.box, last + 6 * STEP), None, LENS, HERE)
    assert got.refused == {1: Refusal.NO_DEPTH}


def test_a_new_id_and_an_earlier_stamp_know_nothing_of_before() -> None:
    made, placer = block(0), Placer()
    placer.place(tracks_of(made.box, T0), image_of(made, T0), LENS, HERE)
    other = placer.place(tracks_of(made.box, T0 + STEP, first=7), None, LENS, HERE)
    assert other.refused == {7: Refusal.NO_DEPTH}
    placer.place(tracks_of(made.box, T0 + 2 * STEP), image_of(made, T0), LENS, HERE)
    assert placer.place(tracks_of(made.box, T0), None, LENS, HERE).refused == {1: Refusal.NO_DEPTH}


def test_what_is_too_uncertain_is_refused() -> None:
    made = block(0)
    placer = Placer(PlacerOptions(max_sigma_m=0.001))
    got = placer.place(tracks_of(made.box, T0), image_of(made, T0), LENS, HERE)
    assert got.refused == {1: Refusal.TOO_UNCERTAIN}


def level(height: float, tilt_rad: float) -> RigidTransform:
    """Return a camera that looks ahead (x) and down by ``tilt_rad``."""
    c, s = np.cos(tilt_rad), np.sin(tilt_rad)
    columns = np.array([[0, -1.0, 0], [-s, 0, -c], [c, 0, -s]]).T
    return RigidTransform(columns, np.array([0.0, 0.0, height]))


@given(st.floats(0.4, 2.0), st.floats(0.0, 0.4), st.floats(1.0, 6.0), st.floats(-0.3, 0.3))
def test_a_foot_on_the_floor_is_where_it_stands(
    height: float, tilt: float, ahead: float, aside: float
) -> None:
    camera = level(height, tilt)
    foot = np.array([ahead, aside * ahead, 0.0])
    seen = camera.inverse().apply(foot)
    u = seen[0] / seen[2] * LENS.fx_px + LENS.cx_px + 0.5
    v = seen[1] / seen[2] * LENS.fy_px + LENS.cy_px + 0.5
    box = np.array([u - 6, v - 30, u + 6, v])
    place = floor_place(box, LENS, WH, camera)
    if v >= WH[1] - 2:
        assert place is Refusal.CUT_BY_BORDER
    elif isinstance(place, Place):
        off = place.centre_m[:2] - foot[:2]
        width = 12 / LENS.fx_px * seen[2]
        assert np.linalg.norm(off) < 0.5 * width  # half the thickness behind the foot
        assert place.source is PlaceSource.FLOOR
    else:
        assert place is Refusal.ABOVE_HORIZON
        assert height / ahead < 0.15


def test_a_box_above_the_horizon_stands_on_no_floor() -> None:
    assert floor_place(np.array([70.0, 10, 90, 40]), LENS, WH, level(1.0, 0.0)) is (
        Refusal.ABOVE_HORIZON
    )


def test_the_covariance_of_a_floor_contact_grows_with_distance() -> None:
    sigma = [
        place.sigma_m
        for v in (110, 95, 80, 72)
        if isinstance(
            place := floor_place(np.array([70.0, 40, 90, v]), LENS, WH, level(1, 0)), Place
        )
    ]
    assert len(sigma) == 4
    assert sigma == sorted(sigma)


@given(st.floats(1.0, 8.0))
def test_how_large_a_person_looks_says_how_far(distance: float) -> None:
    tall, wide = 1.75 / distance * LENS.fy_px, 0.5 / distance * LENS.fx_px
    box = np.array([80 - wide / 2, 60 - tall / 2, 80 + wide / 2, 60 + tall / 2])
    place = sized_place(box, LENS, WH, np.array([0.5, 0.5, 1.75]))
    assert isinstance(place, Place)
    assert place.centre_m[2] == pytest.approx(distance, rel=0.02)
    assert 0.05 * distance < place.sigma_m < 0.3 * distance


def test_sources_without_depth_place_tracks_by_their_ids() -> None:
    box = np.array([71.0, 30, 89, 90])
    options = PlacerOptions(PlaceSource.SIZE, "base", {"person": (0.5, 0.5, 1.75)})
    placer = Placer(options)
    got = placer.place(tracks_of(box, T0, label="person"), None, LENS, HERE)
    assert got.frame_id == "base"
    assert got.by_id[1].source is PlaceSource.SIZE
    got = placer.place(tracks_of(box, T0, label="dog", first=2), None, LENS, HERE)
    assert got.refused == {2: Refusal.UNKNOWN_SIZE}
    placer = Placer(PlacerOptions(PlaceSource.FLOOR))
    assert placer.place(tracks_of(box, T0), None, LENS, level(1, 0.3)).by_id[1].centre_m[0] > 1


def test_nouns_refuse_what_is_none() -> None:
    made = block(0)
    place = Placer().place(tracks_of(made.box, T0), image_of(made, T0), LENS, HERE).by_id[1]
    for change, says in (
        ({"centre_m": np.array([0, 0, np.nan])}, "centre_m must be finite"),
        ({"covariance": -np.eye(3)}, "positive definite"),
        ({"size_m": np.zeros(3)}, "size_m must be > 0"),
        ({"seen": 1.5}, "seen must lie"),
        ({"rotation_variance_rad2": 0.0}, "rotation_variance_rad2"),
    ):
        with pytest.raises(ValueError, match=says):
            replace(place, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both placed and refused"):
        Places(0, "", {1: place}, {1: Refusal.NO_DEPTH})
    with pytest.raises(ValueError, match="three lengths"):
        PlacerOptions(sizes_m={"box": (1.0, 0.0, 1.0)})


@pytest.mark.parametrize("source", [PlaceSource.DEPTH, PlaceSource.FLOOR, PlaceSource.SIZE])
def test_options_are_those_of_the_settings(source):
    settings = SpatialSettings(
        source=source.value, target_frame="base", sizes=("box=1x2x3",), max_sigma_m=0.4
    )
    found = PlacerOptions.of(settings)
    assert found == PlacerOptions(source, "base", {"box": (1.0, 2.0, 3.0)}, 0.4)
