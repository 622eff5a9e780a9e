# SPDX-License-Identifier: Apache-2.0
"""Solids hide each other rightly, and a placed sprite changes its box and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_warehouse.scenes import object_names, sprites
from lfmvl_warehouse.scenes.mesh import Mesh
from lfmvl_warehouse.scenes.solids import draw

from ...examples import examples

RED, BLUE = np.array([255.0, 0, 0]), np.array([0.0, 0, 255])


@pytest.mark.parametrize("red_first", [True, False])
@pytest.mark.parametrize(("yaw", "seen"), [(0.0, 0), (np.pi, 2)])
def test_nearer_solid_hides_the_farther(red_first, yaw, seen):
    mesh = Mesh()
    parts = [(-1.0, RED), (1.0, BLUE)]
    for y, colour in parts if red_first else parts[::-1]:
        mesh.cuboid(0, y, 0, 1, 1, 1, colour)
    image = draw(mesh, yaw=yaw, pitch=0.05, size_px=64).rgba
    h, w = image.shape[:2]
    assert image[h // 2, w // 2, :3].argmax() == seen
    assert image[h // 2, w // 2, 3] == 255


def test_scale_and_floor_point():
    mesh = Mesh()
    mesh.cuboid(0, 0, 0, 2.0, 0.02, 1.0, RED)
    render = draw(mesh, yaw=0.0, pitch=0.0, size_px=200)
    solid = render.rgba[..., 3] > 127
    assert abs(solid.any(0).sum() - 2.0 * render.px_per_m) < 3
    assert abs(solid.any(1).sum() - 1.0 * render.px_per_m) < 3
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    assert abs(render.foot_px[0] - columns.mean()) < 2
    assert abs(render.foot_px[1] - rows[-1]) < 3


@examples(60)
@given(
    variant=st.integers(0, 3),
    kind=st.sampled_from(["tote", "person", "hand truck"]),
    scale=st.floats(0.05, 2.0),
    x=st.floats(-60, 220),
    y=st.floats(-30, 260),
    flip=st.booleans(),
    roll=st.floats(-0.2, 0.2),
)
def test_a_patch_changes_its_box_and_nothing_else(variant, kind, scale, x, y, flip, roll):
    sprite = sprites.pooled_sprite(kind, 1, variant, 192)
    patch = sprites.warp(sprite, scale, (x, y), flip=flip, roll=roll)
    if patch is None:
        return
    # A colour that no object has, so that every pixel drawn shows.
    before = np.full((180, 160, 3), (255, 0, 255), np.uint8)
    after = before.copy()
    sprites.blend(after, patch)
    changed = (before != after).any(-1)
    x0, y0, x1, y1 = patch.full_xyxy_px.astype(int)
    box = np.zeros_like(changed)
    box[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    assert not changed[~box].any()
    window = sprites.clip_window(patch, (160, 180))
    if window is None:
        assert not changed.any()
        return
    # The silhouette touches all four sides of its box and is drawn wherever it is in the image.
    assert patch.mask[0].any()
    assert patch.mask[-1].any()
    assert patch.mask[:, 0].any()
    assert patch.mask[:, -1].any()
    drawn = patch.mask[window[2], window[3]] > 0
    assert changed[window[0], window[1]][drawn].all()
    assert patch.area_px == np.count_nonzero(patch.mask)


def test_subpixel_places_move_the_image():
    sprite = sprites.pooled_sprite("tote", 1, 0, 192)
    here = sprites.warp(sprite, 0.4, (100.0, 100.0))
    there = sprites.warp(sprite, 0.4, (100.5, 100.0))
    assert here is not None
    assert there is not None
    assert here.rgba.shape != there.rgba.shape or not np.array_equal(here.rgba, there.rgba)


def test_a_person_keeps_its_face_while_walking():
    def head(phase: float) -> np.ndarray:
        mesh = sprites.build_mesh("person", "orange", ("wearing a vest",), 5, phase)
        return np.array([f.colour for f in mesh.faces if f.corners[:, 2].min() > 1.35])

    assert np.array_equal(head(0.0), head(1.0))


def test_names():
    assert object_names("tote", "red", ()) == ("tote", "red tote")
    person = object_names("person", "yellow", ("without a vest",))
    assert {"person", "person in yellow", "person without a vest", "worker"} <= set(person)
    box = object_names("cardboard box", "brown", ("open",))
    assert {"cardboard box", "open cardboard box", "brown box", "open box"} <= set(box)
