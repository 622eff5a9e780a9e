# SPDX-License-Identifier: Apache-2.0
"""One box in one depth image: whatever the numbers, and how far it may be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lfmvl_ros.core.spatial import shape, terms
from lfmvl_ros.core.spatial.depth import sample_patch
from lfmvl_ros.core.spatial.extent import Extent, measure_extent
from lfmvl_ros.core.spatial.foreground import ExpectedDepth, Foreground, find_foreground
from lfmvl_ros.core.spatial.pick import find_pick_point
from lfmvl_ros.core.spatial.shape import Located, locate

from ...examples import examples
from .rendered import LENS, WH, Rendered, block

seeds = st.integers(0, 2**32 - 1)


def found(
    depth: np.ndarray, box: np.ndarray, expected: ExpectedDepth | None = None
) -> tuple[Foreground, Extent, Located] | None:
    patch = sample_patch(depth, box)
    fore = find_foreground(patch, LENS.fx_px, expected) if patch else None
    if fore is None:
        return None
    extent = measure_extent(fore, LENS, (depth.shape[1], depth.shape[0]))
    return fore, extent, locate(fore, extent, LENS)


def of(made: Rendered) -> tuple[Foreground, Extent, Located]:
    result = found(made.depth_m, made.box)
    assert result is not None
    return result


@given(seeds, st.floats(0.6, 2.2), st.floats(0.15, 0.5), st.floats(0, 0.4))
def test_the_surface_of_a_block_is_found_whatever_the_box_and_the_holes(
    seed: int, distance: float, side: float, missing: float
) -> None:
    made = block(seed, distance_m=distance, side_m=side, missing=missing)
    _, extent, located = of(made)
    assert abs(located.surface_m[2] - distance) < 0.02 * distance
    assert abs(extent.width_m - side) < 0.3 * side
    off = located.centre_m - made.centre_m
    assert np.linalg.norm(off) < side
    assert off @ np.linalg.solve(located.centre_covariance, off) < 25


arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.one_of(st.just(float("nan")), st.floats(np.float32(0.05), 30, width=32)),
    fill=st.one_of(st.just(float("nan")), st.floats(0.5, 4, width=32)),
)
corners = st.lists(st.floats(-60, 100), min_size=4, max_size=4)


@examples(300)
@given(arrays, corners)
def test_any_image_and_any_box_give_a_sound_place_or_none(
    depth: np.ndarray, box: list[float]
) -> None:
    result = found(depth, np.array(box))
    if result is None:
        return
    fore, extent, located = result
    assert 0 <= fore.cover <= 1
    assert 0 < fore.score
    assert all(0 <= end <= 1 for end in extent.hidden)
    for centre, covariance in (
        (located.centre_m, located.centre_covariance),
        (located.surface_m, located.surface_covariance),
    ):
        assert np.isfinite(centre).all()
        assert np.allclose(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance)[0] > 0
    assert (located.size_m > 0).all()
    assert located.centre_m[2] >= extent.near_m
    pick = find_pick_point(fore, extent, LENS, located.surface_covariance)
    if pick is not None:
        assert pick.normal @ pick.point_m <= 0  # it faces the camera


@given(seeds, st.floats(0.5, 2.0))
def test_a_scene_twice_as_large_gives_a_place_twice_as_far(seed: int, factor: float) -> None:
    """But for absolute tolerances of millimetres, the method knows no unit of length."""
    made = block(seed, noise=0.0, missing=0.0)
    one = of(made)[2]
    two = found(made.depth_m * np.float32(factor), made.box)
    assert two is not None
    assert np.allclose(two[2].centre_m, one.centre_m * factor, rtol=0.02)


def test_equal_images_give_equal_places() -> None:
    made = block(3)
    assert (of(made)[2].centre_m == of(made)[2].centre_m).all()


def test_what_is_expected_decides_between_two_things_in_a_box() -> None:
    depth = np.full((120, 160), 5.0, np.float32)
    depth[40:80, 50:80] = 1.0
    depth[40:80, 80:110] = 2.0
    box = np.array([50.0, 40.0, 110.0, 80.0])
    for z in (1.0, 2.0):
        result = found(depth, box, ExpectedDepth(z, 0.1))
        assert result is not None
        assert abs(result[0].median_m - z) < 0.01
    # Who has a strong rival is less certain than who has none.
    alone = np.where(depth == 2.0, np.float32(5.0), depth)
    rivalled, single = found(depth, box), found(alone, np.array([50.0, 40, 80, 80]))
    assert rivalled is not None
    assert single is not None
    assert rivalled[2].centre_covariance[2, 2] > single[2].centre_covariance[2, 2]


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_thing_in_front_hides_the_side_it_stands_on(side: str) -> None:
    depth = np.full((120, 160), 4.0, np.float32)
    depth[30:90, 50:110] = 2.0
    front = {
        "left": np.s_[20:100, 30:65],
        "top": np.s_[10:45, 40:120],
        "right": np.s_[20:100, 95:130],
        "bottom": np.s_[75:110, 40:120],
    }
    depth[front[side]] = 1.0
    rows, columns = np.nonzero(depth == 2.0)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1.0])
    result = found(depth, box)
    assert result is not None
    hidden = dict(zip(("left", "top", "right", "bottom"), result[1].hidden, strict=True))
    assert hidden.pop(side) > 0.5
    assert max(hidden.values()) < 0.2


def test_a_band_without_depth_beside_what_is_in_front_hides_it_no_less() -> None:
    """A stereo camera sees nothing beside the edge of a near object."""
    depth = np.full((120, 160), 4.0, np.float32)
    depth[30:90, 50:110] = 2.0
    depth[20:100, 95:130] = 1.0
    depth[20:100, 91:95] = np.nan
    result = found(depth, np.array([50.0, 30, 93, 90]))
    assert result is not None
    left, top, right, bottom = result[1].hidden
    assert right > 0.5
    assert max(left, top, bottom) < 0.2


@pytest.mark.parametrize(("set_back_m", "hides"), [(0.0, False), (0.15, True)])
def test_a_floor_hides_nothing_but_the_front_of_a_board_does(
    set_back_m: float, hides: bool
) -> None:
    """Both are planes that come close to the lower edge; the floor comes nearer below it."""
    v = np.arange(120)[:, None] - LENS.cy_px + np.zeros((1, 160))
    depth = np.full((120, 160), 6.0, np.float32)
    if hides:  # the upright front of a board, from row 80 on
        depth[80:] = 2.0 - set_back_m
    else:  # a floor 0.3 m below the camera, which the object meets in row 80
        below = v > 10
        depth[below] = np.minimum(0.273 * LENS.fy_px / v[below], 6.0)
    depth[50:80, 60:100] = 2.0
    result = found(depth, np.array([60.0, 50, 100, 80]))
    assert result is not None
    assert (result[1].hidden[3] > 0.5) is hides


def test_the_middle_lies_towards_a_hidden_end() -> None:
    depth = np.full((120, 160), 4.0, np.float32)
    depth[30:70, 50:110] = 2.0
    whole = found(depth, np.array([50.0, 30, 110, 70]))
    depth[62:100, 40:120] = 1.0
    covered = found(depth, np.array([50.0, 30, 110, 62]))
    assert whole is not None
    assert covered is not None
    _, y0, _, y1 = covered[1].xyxy_px
    outline = ((y0 + y1) / 2 - 0.5 - LENS.cy_px) / LENS.fy_px
    located = covered[2]
    assert located.centre_m[1] / located.centre_m[2] > outline
    assert located.centre_covariance[1, 1] > 1.5 * whole[2].centre_covariance[1, 1]


def test_an_object_that_reaches_the_border_is_cut_though_its_box_ends_before() -> None:
    depth = np.full((120, 160), 4.0, np.float32)
    depth[30:90, 110:] = 2.0
    result = found(depth, np.array([110.0, 30, 155, 90]))
    assert result is not None
    assert result[1].hidden[2] == 1.0


def test_a_box_at_the_border_of_the_image_is_cut_and_less_certain() -> None:
    depth = np.full((120, 160), 4.0, np.float32)
    depth[30:90, 60:100] = 2.0
    whole = found(depth, np.array([60.0, 30, 100, 90]))
    moved = np.roll(depth, 60, axis=1)
    moved[:, :60] = 4.0
    cut = found(moved, np.array([120.0, 30, 160, 90]))
    assert whole is not None
    assert cut is not None
    assert cut[1].hidden[2] == 1.0
    assert whole[1].hidden == (0.0, 0.0, 0.0, 0.0)
    assert cut[2].centre_covariance[0, 0] > 2 * whole[2].centre_covariance[0, 0]


def test_a_known_size_says_where_the_middle_is() -> None:
    made = block(1, side_m=0.4)
    fore, extent, _ = of(made)
    for thick in (0.1, 0.8):
        size = np.array([extent.width_m, thick, extent.height_m])
        behind = locate(fore, extent, LENS, size).centre_m[2] - 1.5
        assert abs(behind - thick / 2) < 0.25 * thick + 0.03


def test_what_surface_and_middle_share_is_computed_once(monkeypatch) -> None:
    fore, extent, _ = of(block(0))
    terms_of, calls = terms.surface_variance_terms, []

    def counted(*args):
        calls.append(args)
        return terms_of(*args)

    for module in (terms, shape):
        monkeypatch.setattr(module, "surface_variance_terms", counted)
    locate(fore, extent, LENS)
    assert len(calls) == 1


@given(seeds, st.floats(-50, 50), st.floats(-50, 50))
def test_the_normal_of_a_tilted_plane(seed: int, about_x: float, about_y: float) -> None:
    ax, ay = np.radians([about_x, about_y])
    normal = np.array([np.sin(ay), np.sin(ax) * np.cos(ay), -np.cos(ax) * np.cos(ay)])
    u, v = np.meshgrid(np.arange(WH[0]), np.arange(WH[1]))
    rays = np.stack([(u - LENS.cx_px) / LENS.fx_px, (v - LENS.cy_px) / LENS.fy_px,
                     np.ones(u.shape)], axis=-1)  # fmt: skip
    depth = normal[2] * 1.0 / (rays @ normal)
    depth *= 1 + 0.001 * np.random.default_rng(seed).normal(size=depth.shape)
    inside = (np.abs(u - 80) < 25) & (np.abs(v - 60) < 25)
    image = np.where(inside, depth, 6.0).astype(np.float32)
    result = found(image, np.array([55.0, 35, 106, 86]))
    assert result is not None
    pick = find_pick_point(result[0], result[1], LENS, result[2].surface_covariance)
    assert pick is not None
    angle = np.arccos(min(float(pick.normal @ normal), 1.0))
    assert angle < max(np.radians(3), 4 * pick.normal_sigma_rad)
