# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in: boxes beyond the image, absurd sizes, lenses, poses and gaps in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lfmvl_ros.core.config_spatial import parse_sizes
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import TransformBuffer, TransformError
from lfmvl_ros.core.tracking import Intrinsics, TrackState

from ...examples import examples
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


@pytest.mark.parametrize("side", [0.0, -1.0, 5e-324, 9e-4, 1001.0, 1e300, np.inf, np.nan])
def test_a_size_that_no_object_has_is_refused(side: float) -> None:
    with pytest.raises(ValueError, match=r"three lengths of 0.001 to 1000 m"):
        PlacerOptions(sizes_m={"box": (1.0, side, 1.0)})
    with pytest.raises(UserError, match=r"three lengths of 0.001 to 1000 m"):
        parse_sizes((f"box=1x{side}x1",))
    assert parse_sizes(("pin=0.001x0.001x0.05", "ship=1000x60x60"))["ship"] == (1000, 60, 60)


@pytest.mark.parametrize("far", [1.1e9, -1e30, 1e300, np.inf, np.nan])
def test_a_frame_further_than_any_is_refused(far: float) -> None:
    buffer = TransformBuffer()
    with pytest.raises(ValueError, match=r"'camera' in 'map' is refused: .*at most 1e"):
        buffer.add("map", "camera", T0, [0, 0, far], [0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"at most 1e"):
        RigidTransform.from_quaternion([far, 0, 0], [0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"RigidTransform (reaches 1e|needs finite)"):
        RigidTransform(np.eye(3), np.array([far, 0, 0]))


def test_frames_that_reach_too_far_together_have_no_transform() -> None:
    buffer = TransformBuffer()
    for parent, child in (("a", "b"), ("b", "c")):
        buffer.add(parent, child, T0, [8e8, 0, 0], [0, 0, 0, 1], static=True)
    assert buffer.lookup("a", "b", T0).translation_m[0] == 8e8
    with pytest.raises(TransformError, match=r"no transform from 'c' to 'a': .*1e"):
        buffer.lookup("a", "c", T0)


@pytest.mark.parametrize("value", [1.1e7, -1e9, 1e300, np.inf, np.nan])
def test_a_lens_whose_middle_is_out_of_all_images_is_refused(value: float) -> None:
    for middle in ((value, 60.0), (80.0, value)):
        with pytest.raises(ValueError, match=r"middle within 1e"):
            Intrinsics(150.0, 150.0, *middle)


focal = st.floats(-1, 7).map(lambda power: 10.0**power)
middle = st.floats(-200, 400) | st.sampled_from([-1e7, -1e3, 1e5, 1e7])


@sources
@examples(150)
@given(st.builds(Intrinsics, focal, focal, middle, middle), st.integers(0, 9))
@example(Intrinsics(66.65, 150.0, -1e7, 60.0), 0)
@example(Intrinsics(0.2746, 1171070.0, -1e7, 60.0), 0)
def test_with_any_lens_a_covariance_is_one(
    source: PlaceSource, lens: Intrinsics, seed: int
) -> None:
    """Rays at a grazing angle: the largest variance is 10^20 times the least."""
    made, finder = block(seed), placer(source)
    for k in range(3):
        depth = image_of(made, T0 + k) if k < 2 else None
        got = finder.place(tracks_of(made.box, T0 + k * 10**8), depth, lens, ABOVE_FLOOR)
        for place in got.by_id.values():  # which would raise otherwise
            assert 0 < place.sigma_m < np.inf


@sources
@examples(40)
@given(gaps_ns=st.lists(st.integers(0, 10**18), min_size=2, max_size=6), coasting=st.booleans())
def test_no_gap_in_time_is_too_long(
    source: PlaceSource, gaps_ns: list[int], coasting: bool
) -> None:
    """A clock is set, and stamps jump ahead by years."""
    made, finder, stamp = block(0), placer(source), T0
    state = TrackState.COASTING if coasting else TrackState.CONFIRMED
    for gap_ns in gaps_ns:
        stamp += gap_ns
        tracks = replace(tracks_of(made.box, stamp), state=(state,))
        got = finder.place(tracks, image_of(made, stamp), LENS, ABOVE_FLOOR)
        for place in got.by_id.values():
            assert place.sigma_m < 200


def test_what_was_long_ago_is_forgotten() -> None:
    made, finder = block(0), placer(PlaceSource.DEPTH)
    for stamp, coasts in ((T0, False), (T0 + 59 * 10**9, True), (T0 + 61 * 10**9, True)):
        tracks = tracks_of(made.box, stamp)
        if coasts:
            tracks = replace(tracks, state=(TrackState.COASTING,))
        depth = image_of(made, stamp) if stamp != T0 + 59 * 10**9 else None
        got = finder.place(tracks, depth, LENS, ABOVE_FLOOR)
    assert got.refused == {1: Refusal.OCCLUDED}  # predicted, and without a position so far
    with pytest.raises(ValueError, match=r"coast_s of 0 to 60"):
        PlacerOptions(coast_s=61.0)
