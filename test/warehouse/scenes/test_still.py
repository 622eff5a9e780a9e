# SPDX-License-Identifier: Apache-2.0
"""Stills: reproducible, truthful, of any size and difficulty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_warehouse.scenes import (
    EASY,
    HARD,
    KINDS,
    STANDARD,
    SceneOptions,
    object_names,
    render_still,
    sprites,
)

from ...examples import examples

# Few kinds and looks keep the pool that these tests draw small.
FEW = ("tote", "traffic cone", "robot")
QUICK = replace(STANDARD, kinds=FEW, appearances=(0, 4), objects=(1, 8))


def still(seed: int, options: SceneOptions = QUICK, wh: tuple[int, int] = (256, 256)):
    return render_still(np.random.default_rng(seed), wh=wh, options=options)


def assert_truth(scene) -> None:
    w, h = scene.wh
    assert scene.pixels.dtype == np.uint8
    assert scene.pixels.flags["C_CONTIGUOUS"]
    assert scene.depth_m.shape == (h, w)
    assert scene.depth_m.dtype == np.float32
    assert np.isfinite(scene.depth_m).all()
    assert (scene.depth_m > 0).all()
    depths = [item.depth_m for item in scene.objects]
    assert depths == sorted(depths)
    for item in scene.objects:
        x0, y0, x1, y1 = item.visible_xyxy_px
        full = item.full_xyxy_px
        assert 0 <= x0 < x1 <= w
        assert 0 <= y0 < y1 <= h
        assert full[0] <= x0
        assert full[1] <= y0
        assert x1 <= full[2]
        assert y1 <= full[3]
        assert 0 < item.visibility <= 1
        inside = scene.depth_m[int(y0) : int(y1), int(x0) : int(x1)]
        assert np.isclose(inside, item.depth_m, rtol=1e-4).any()


@pytest.mark.parametrize("options", [EASY, STANDARD, HARD])
def test_same_seed_same_scene(options):
    options = replace(options, kinds=FEW, appearances=(0, 4))
    first, second, other = still(3, options), still(3, options), still(4, options)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.depth_m, second.depth_m)
    assert [o.names for o in first.objects] == [o.names for o in second.objects]
    assert not np.array_equal(first.pixels, other.pixels)


def test_scene_does_not_depend_on_what_was_drawn_before():
    before = still(11).pixels
    sprites.pooled_sprite.cache_clear()
    still(12)
    assert np.array_equal(still(11).pixels, before)


@examples(25)
@given(seed=st.integers(0, 10**6), width=st.integers(64, 700), aspect=st.floats(9 / 16, 21 / 9))
def test_any_size_is_drawn_with_its_truth(seed, width, aspect):
    wh = (width, max(64, round(width / aspect)))
    scene = still(seed, replace(QUICK, objects=(0, 8), distractors=2), wh)
    assert scene.wh == wh
    assert_truth(scene)


def test_large_image():
    scene = still(5, replace(QUICK, objects=(3, 3)), (1920, 1080))
    assert scene.wh == (1920, 1080)
    assert_truth(scene)


@pytest.mark.parametrize("limit", [0.0, 0.3, 0.7])
def test_occlusion_stays_within_the_limit(limit):
    options = replace(
        QUICK, objects=(10, 14), max_occlusion=limit, truncation=0.0, truncation_probability=0.0
    )
    lowest = 1.0
    for seed in range(30):
        for item in still(seed, options).objects:
            lowest = min(lowest, item.visibility)
    assert lowest >= 1 - limit
    assert lowest < 1 - 0.6 * limit or limit == 0  # and the limit is made use of


def test_truncation_only_where_allowed():
    whole = replace(QUICK, truncation=0.0, truncation_probability=0.0)
    cut = replace(QUICK, truncation=0.6, truncation_probability=1.0)

    def beyond(options: SceneOptions) -> int:
        boxes = [o.full_xyxy_px for s in range(30) for o in still(s, options).objects]
        return sum(bool((b[:2] < 0).any() or (b[2:] > 256).any()) for b in boxes)

    assert beyond(whole) == 0
    assert beyond(cut) > 10


def test_sizes_follow_the_range():
    options = replace(EASY, size=(0.2, 0.3), kinds=("robot",), appearances=(0, 4), objects=(1, 3))
    for seed in range(20):
        for item in still(seed, options).objects:
            x0, y0, x1, y1 = item.full_xyxy_px
            # Slack for the sprite's transparent rim and the slight roll.
            assert 0.17 <= np.sqrt((x1 - x0) * (y1 - y0)) / 256 <= 0.32


def test_numbers_of_objects_and_kinds():
    assert still(1, replace(QUICK, objects=(0, 0), distractors=3)).objects == ()
    scenes = [still(s, replace(QUICK, objects=(2, 4))) for s in range(20)]
    assert all(len(s.objects) <= 4 for s in scenes)
    assert {o.kind for s in scenes for o in s.objects} == set(FEW)
    assert all([o.id for o in s.objects] == list(range(1, len(s.objects) + 1)) for s in scenes)


def test_distractors_are_seen_but_not_told():
    without = still(8, replace(QUICK, objects=(0, 0), distractors=0))
    counts = {
        len(still(s, replace(QUICK, objects=(0, 0), distractors=3)).objects) for s in range(5)
    }
    shown = [
        not np.array_equal(
            still(s, replace(QUICK, objects=(0, 0), distractors=3)).depth_m,
            still(s, replace(QUICK, objects=(0, 0), distractors=0)).depth_m,
        )
        for s in range(5)
    ]
    assert without.objects == ()
    assert counts == {0}
    assert any(shown)


def test_low_light_is_darker_and_noise_is_noisier():
    clean = replace(
        EASY, objects=(0, 0), brightness=0.0, noise=0.0, jpeg_probability=0.0, shadows=False
    )
    dark = replace(clean, low_light_probability=1.0)
    assert still(2, dark).pixels.mean() < 0.75 * still(2, clean).pixels.mean()


def test_every_kind_can_be_drawn():
    for kind in KINDS:
        options = replace(EASY, kinds=(kind,), appearances=(0, 1), objects=(2, 2))
        found = [o for s in range(3) for o in still(s, options).objects]
        assert found
        assert {o.kind for o in found} == {kind}
        assert all(o.names == object_names(o.kind, o.colour, o.attributes) for o in found)


def test_unseen_looks_differ_from_the_pool():
    usual = sprites.pooled_sprite("tote", 1, 0, 192)
    unseen = sprites.pooled_sprite("tote", 1, 10_000, 192)
    assert usual.levels[0].shape != unseen.levels[0].shape or not np.array_equal(
        usual.levels[0], unseen.levels[0]
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"objects": (5, 2)}, "objects"),
        ({"objects": (0, 15)}, "objects"),
        ({"size": (0.0, 0.5)}, "size"),
        ({"size": (0.5, 0.2)}, "size"),
        ({"max_occlusion": 1.0}, "max_occlusion"),
        ({"truncation": -0.1}, "truncation"),
        ({"truncation_probability": 1.5}, "truncation_probability"),
        ({"noise": -1.0}, "noise"),
        ({"distractors": -1}, "distractors"),
        ({"kinds": ("dragon",)}, "kinds"),
        ({"kinds": ()}, "kinds"),
        ({"appearances": (0, 0)}, "appearances"),
    ],
)
def test_options_refuse_nonsense(change, word):
    with pytest.raises(ValueError, match=word):
        replace(STANDARD, **change)


@pytest.mark.parametrize("wh", [(10, 256), (256, 10_000)])
def test_sizes_out_of_range_are_refused(wh):
    with pytest.raises(ValueError, match="wh"):
        still(1, wh=wh)
