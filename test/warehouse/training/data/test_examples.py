# SPDX-License-Identifier: Apache-2.0
"""Examples mark what the model decides and what JSON forces; patches show what lies on them."""

import json

import numpy as np
import pytest

from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE, FINE_TEMPLATE
from lfmvl_ros.datasets.questions import AnswerObject, Question, Target
from lfmvl_warehouse.training.data.captions import describe
from lfmvl_warehouse.training.data.examples import NO_COORDINATE, ExampleEncoder, dense_targets
from lfmvl_warehouse.training.data.patch_grid import Grid

GRID = Grid(4, 4)


def target(box, kind=0, colour=0):
    return Target(("tote", "red tote"), kind, colour, np.array(box, float), 1.0)


@pytest.fixture(scope="module")
def example(tokenizer):
    found = (AnswerObject("red tote", target([0.37, 0.0, 1.0, 0.994])),)
    return ExampleEncoder(tokenizer).example(Question(("red tote",), found), CARD_TEMPLATE, GRID)


def test_the_answer_reads_back(example, tokenizer):
    text = tokenizer.decode(example.answer)
    assert text == '[{"label": "red tote", "bbox": [0.37, 0.00, 1.00, 0.99]}]<|im_end|>'
    assert len(example) == len(example.prompt) + len(example.answer)


def test_decisions_are_marked(example, tokenizer):
    marked = [tokenizer.decode([one]) for one in example.answer[example.decides]]
    numbers = ["0", "37", "0", "00", "1", "00", "0", "99"]
    assert marked == ['[{"', "red", " tote", '",', *numbers, "]}]", "<|im_end|>"]


def test_soft_coordinates_are_those_below_one(example):
    assert example.coordinate[example.coordinate != NO_COORDINATE].tolist() == [37, 0, 99]


def test_three_decimals_are_written_where_the_prompt_asks_for_them(tokenizer):
    left, right = (AnswerObject("tote", target([x, 0.25, 0.9, 1.0])) for x in (0.3741, 0.3749))
    lower = AnswerObject("tote", target([0.3741, 0.1, 0.9, 1.0]))
    question = Question(("tote",), (left, lower, right))
    fine = ExampleEncoder(tokenizer).example(question, FINE_TEMPLATE, GRID)
    assert "Write three decimals." in tokenizer.decode(fine.prompt)
    boxes = [item["bbox"] for item in json.loads(tokenizer.decode(fine.answer[:-1]))]
    assert boxes == [[0.374, 0.1, 0.9, 1.0], [0.374, 0.25, 0.9, 1.0], [0.375, 0.25, 0.9, 1.0]]
    values = fine.coordinate[fine.coordinate != NO_COORDINATE] - 100
    assert values.tolist() == [374, 100, 900, 374, 250, 900, 375, 250, 900]
    np.testing.assert_allclose(fine.boxes[:, :2], [[0.3741, 0.1], [0.3741, 0.25], [0.3749, 0.25]])


@pytest.mark.parametrize("template", [CARD_TEMPLATE, COOKBOOK_TEMPLATE, FINE_TEMPLATE])
@pytest.mark.parametrize("grid", [GRID, Grid(4, 4, (2, 1))], ids=["whole", "tiled"])
def test_labels_know_where_in_the_prompt_they_were_asked(tokenizer, template, grid):
    labels = ("tote", "red tote", 'a "b"', "コンテナ")
    found = tuple(AnswerObject(label, target([0.1 * i, 0, 1, 1])) for i, label in enumerate(labels))
    example = ExampleEncoder(tokenizer).example(Question(labels, found), template, grid)
    for number, label in enumerate(labels):
        mine = (example.subject == number) & (example.source[:, 1] > 0)
        assert mine.any(), label
        assert {tuple(pair) for pair in example.source[mine]} == {tuple(example.source[mine][0])}
        start, stop = example.source[mine][0]
        assert tokenizer.decode(example.prompt[start:stop]).strip(" ,") == label
    numbers = example.coordinate != NO_COORDINATE
    assert not example.source[numbers].any()


def test_every_token_of_a_caption_is_a_decision_and_knows_its_object(tokenizer):
    robot = Target(("robot", "red robot"), 1, 0, np.array([0.5, 0.5, 0.6, 0.6]), 1.0)
    scene = [target([0, 0, 0.5, 0.5]), target([0.5, 0, 0.9, 0.5]), robot]
    example = ExampleEncoder(tokenizer).caption(describe(scene, {}), GRID)
    text = tokenizer.decode(example.answer)
    assert text == '{"global_caption": "A warehouse with two totes and a red robot"}<|im_end|>'
    assert example.decides.all()
    assert (example.coordinate == NO_COORDINATE).all()
    about = [tokenizer.decode(example.answer[example.subject == i]).strip() for i in (0, 1)]
    assert about == ["two totes", "a red robot"]
    np.testing.assert_allclose(example.boxes, [[0, 0, 0.5, 0.5], robot.xyxy])


def test_patches_of_a_tile_know_their_box_within_the_tile():
    grid = Grid(4, 4, (2, 1))
    kinds, _, boxes, wholes = dense_targets([target([0.25, 0.0, 0.75, 1.0])], grid)
    left, right, whole = np.split(kinds, [256, 512])
    assert left.reshape(16, 16)[0].tolist() == [0] * 8 + [1] * 8
    assert right.reshape(16, 16)[0].tolist() == [1] * 8 + [0] * 8
    assert whole.reshape(4, 4)[0].tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(boxes[8], [0.5, 0, 1, 1])
    np.testing.assert_allclose(boxes[256], [0, 0, 0.5, 1])
    np.testing.assert_allclose(boxes[513], [0.25, 0, 0.75, 1])
    np.testing.assert_allclose(wholes[[8, 256, 513]], [[0.25, 0, 0.75, 1]] * 3)


def test_the_empty_answer_is_one_decision(tokenizer):
    empty = ExampleEncoder(tokenizer).example(Question(("tote",), ()), CARD_TEMPLATE, GRID)
    assert tokenizer.decode(empty.answer) == "[]<|im_end|>"
    assert empty.decides.all()


def test_patches_show_the_smallest_object_on_them():
    large, small = target([0, 0, 1, 1], kind=0), target([0, 0, 0.25, 0.25], kind=1, colour=1)
    kinds, colours, boxes, _ = dense_targets([small, large], GRID)
    assert kinds.reshape(4, 4)[0].tolist() == [2, 1, 1, 1]
    assert colours[0] == 2
    np.testing.assert_allclose(boxes[0], [0, 0, 0.25, 0.25])


def test_background_has_no_kind():
    kinds, colours, _, _ = dense_targets([], GRID)
    assert not kinds.any()
    assert not colours.any()
