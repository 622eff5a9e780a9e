# SPDX-License-Identifier: Apache-2.0
"""A grid computed for training is the grid the processor makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lfmvl_warehouse.training.data.batches import MOST_PATCHES
from lfmvl_warehouse.training.data.examples import ExampleEncoder
from lfmvl_warehouse.training.data.patch_grid import BUDGET, COARSE, TILED, Grid, grid_for
from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.model.build import build_processor
from lfmvl_warehouse.training.model.tokenizer import IMAGE_END_ID, IMAGE_START_ID

from ....examples import examples

COMMON = [(640, 480), (1280, 720), (256, 256), (480, 640), (160, 120), (1680, 720), (720, 1280)]


@pytest.fixture(scope="module")
def processor(tokenizer):
    return build_processor(tokenizer)


def assert_same(processor, tokenizer, wh):
    grid = grid_for(wh)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Look."}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    features = processor(images=Image.new("RGB", wh), text=text, return_tensors="pt")
    assert features["spatial_shapes"].tolist() == [[grid.rows, grid.columns]]
    assert (
        features["input_ids"][0].tolist()
        == ExampleEncoder(tokenizer).prompt("Look.", grid).tolist()
    )


@pytest.mark.parametrize("wh", COMMON)
def test_common_sizes(processor, tokenizer, wh):
    assert_same(processor, tokenizer, wh)


@examples(25)
@given(st.tuples(st.integers(40, 700), st.integers(40, 700)))
def test_any_size(processor, tokenizer, wh):
    assert_same(processor, tokenizer, wh)


@pytest.mark.parametrize("wh", COMMON)
def test_tiles_are_those_of_the_processor(tokenizer, wh):
    grid = grid_for(wh, TILED)
    features = build_processor(tokenizer, TILED)(
        images=Image.new("RGB", wh), text="<image>", return_tensors="pt"
    )
    shapes = features["spatial_shapes"].tolist()
    assert shapes == [[crop.rows, crop.columns] for crop in grid.crops]
    ids = ExampleEncoder(tokenizer).prompt("", grid)
    begin, end = (np.flatnonzero(ids == i)[0] for i in (IMAGE_START_ID, IMAGE_END_ID))
    assert features["input_ids"][0].tolist() == ids[begin : end + 1].tolist()


def test_training_views_stay_within_the_budget():
    for view in views():
        budgets = (BUDGET, COARSE, TILED)
        assert view.grid in {grid_for(view.wh_px, budget) for budget in budgets}
        whole = Grid(view.grid.columns, view.grid.rows)
        assert BUDGET.min_tokens <= whole.tokens <= BUDGET.max_tokens
        assert view.grid.patches <= MOST_PATCHES
    for budget in (BUDGET, COARSE, TILED):
        assert grid_for((640, 480), budget) in {view.grid for view in views()}


def test_tokens_lie_where_their_patches_do():
    grid = Grid(4, 2, (2, 1))
    assert grid.tokens == 64 + 64 + 2
    np.testing.assert_allclose(
        grid.token_middles()[[0, 64, 127, 128]],
        [[0.03125, 0.0625], [0.53125, 0.0625], [0.96875, 0.9375], [0.25, 0.5]],
    )
    patches = grid.token_patches()
    assert patches[0].tolist() == [0, 1, 16, 17]
    assert patches[64].tolist() == [256, 257, 272, 273]
    assert patches[128].tolist() == [512, 513, 516, 517]
    assert sorted(patches.reshape(-1)) == list(range(grid.patches))


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="even"):
        Grid(3, 4)
    with pytest.raises(ValueError, match="at least one tile"):
        Grid(4, 4, (0, 2))
    with pytest.raises(ValueError, match="at least one pixel"):
        grid_for((0, 5))
