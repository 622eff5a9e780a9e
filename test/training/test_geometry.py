# SPDX-License-Identifier: Apache-2.0
"""A grid computed for training is the grid the processor makes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lfmvl_ros.training.checkpoint import build_processor
from lfmvl_ros.training.examples import Encoder
from lfmvl_ros.training.geometry import BUDGET, COARSE, Grid, grid_for
from lfmvl_ros.training.sources import views

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
    assert features["input_ids"][0].tolist() == Encoder(tokenizer).prompt("Look.", grid).tolist()


@pytest.mark.parametrize("wh", COMMON)
def test_common_sizes(processor, tokenizer, wh):
    assert_same(processor, tokenizer, wh)


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(40, 700), st.integers(40, 700)))
def test_any_size(processor, tokenizer, wh):
    assert_same(processor, tokenizer, wh)


def test_training_views_stay_within_the_budget():
    for view in views():
        assert view.grid in {grid_for(view.wh_px, budget) for budget in (BUDGET, COARSE)}
        assert BUDGET.min_tokens <= view.grid.tokens <= BUDGET.max_tokens
    for budget in (BUDGET, COARSE):
        assert grid_for((640, 480), budget) in {view.grid for view in views()}


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="even"):
        Grid(3, 4)
    with pytest.raises(ValueError, match="at least one pixel"):
        grid_for((0, 5))
