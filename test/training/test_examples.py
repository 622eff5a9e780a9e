# SPDX-License-Identifier: Apache-2.0
"""Examples mark what the model decides and what JSON forces; patches show what lies on them."""

import numpy as np
import pytest

from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.training.examples import NOT_A_PAIR, Encoder, dense_targets
from lfmvl_ros.training.geometry import Grid
from lfmvl_ros.training.questions import Found, Question, Target

GRID = Grid(4, 4)


def target(box, kind=0, colour=0):
    return Target(("tote", "red tote"), kind, colour, np.array(box, float), 1.0)


@pytest.fixture(scope="module")
def example(tokenizer):
    found = (Found("red tote", target([0.37, 0.0, 1.0, 0.994])),)
    return Encoder(tokenizer).example(Question(("red tote",), found), CARD_TEMPLATE, GRID)


def test_the_answer_reads_back(example, tokenizer):
    text = tokenizer.decode(example.answer)
    assert text == '[{"label": "red tote", "bbox": [0.37, 0.00, 1.00, 0.99]}]<|im_end|>'
    assert len(example) == len(example.prompt) + len(example.answer)


def test_decisions_are_marked(example, tokenizer):
    marked = [tokenizer.decode([one]) for one in example.answer[example.decides]]
    numbers = ["0", "37", "0", "00", "1", "00", "0", "99"]
    assert marked == ['[{"', "red", " tote", '",', *numbers, "]}]", "<|im_end|>"]


def test_soft_coordinates_are_those_below_one(example):
    assert example.pair[example.pair != NOT_A_PAIR].tolist() == [37, 0, 99]


def test_the_empty_answer_is_one_decision(tokenizer):
    empty = Encoder(tokenizer).example(Question(("tote",), ()), CARD_TEMPLATE, GRID)
    assert tokenizer.decode(empty.answer) == "[]<|im_end|>"
    assert empty.decides.all()


def test_patches_show_the_smallest_object_on_them():
    large, small = target([0, 0, 1, 1], kind=0), target([0, 0, 0.25, 0.25], kind=1, colour=1)
    kinds, colours, boxes = dense_targets([small, large], GRID)
    assert kinds.reshape(4, 4)[0].tolist() == [2, 1, 1, 1]
    assert colours[0] == 2
    np.testing.assert_allclose(boxes[0], [0, 0, 0.25, 0.25])


def test_background_has_no_kind():
    kinds, colours, _ = dense_targets([], GRID)
    assert not kinds.any()
    assert not colours.any()
