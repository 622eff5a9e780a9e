# SPDX-License-Identifier: Apache-2.0
"""Judging an answer: what is a hit, what is false, what is spared."""

import numpy as np
import pytest

from lfmvl_ros.datasets.judging import Scores, judge, parse_strictly
from lfmvl_ros.datasets.questions import Question, Target, find


def target(x, *names, size=0.2, visibility=1.0):
    return Target(names, 0, 0, np.array([x, 0.1, x + size, 0.1 + size]), visibility)


SCENE = (target(0.1, "tote"), target(0.5, "tote"), target(0.8, "tote", visibility=0.1))
BOX = '{{"label": "tote", "bbox": [{x1}, 0.1, {x2}, 0.3]}}'


def answer(*lefts):
    return "[" + ", ".join(BOX.format(x1=x, x2=round(x + 0.2, 3)) for x in lefts) + "]"


def test_a_perfect_answer():
    verdict = judge(answer(0.1, 0.5), find(["tote"], SCENE), SCENE)
    assert verdict.overlaps == pytest.approx((1.0, 1.0))
    assert verdict.false == 0


def test_a_box_counts_once_and_a_double_is_false():
    verdict = judge(answer(0.1, 0.12), find(["tote"], SCENE), SCENE)
    assert verdict.overlaps == pytest.approx((1.0, 0.0))
    assert verdict.false == 1


def test_a_box_on_a_hidden_object_is_spared():
    assert judge(answer(0.8), find(["tote"], SCENE), SCENE).false == 0


def test_another_label_is_no_hit():
    verdict = judge(answer(0.1).replace("tote", "crate"), find(["tote"], SCENE), SCENE)
    assert verdict.overlaps == (0.0, 0.0)
    assert verdict.false == 1


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"a": 1}', '[{"label": "x", "bbox": [1, 2]}]'])
def test_malformed_answers_are_misses(text):
    assert parse_strictly(text) is None
    verdict = judge(text, find(["tote"], SCENE), SCENE)
    assert not verdict.valid
    assert verdict.overlaps == (0.0, 0.0)


def test_scores_add_and_turn_into_shares():
    question = find(["tote"], SCENE)
    one = Scores.of(judge(answer(0.1, 0.3), question, SCENE))
    two = Scores.of(judge("[]", Question(("pallet",), ()), SCENE))
    rates = (one + two).rates()
    assert rates["recall50"] == 0.5
    assert rates["precision50"] == 0.5
    assert rates["absent_label_empty"] == 1.0
    assert rates["valid_json"] == 1.0
    assert Scores().rates()["recall50"] is None


def test_the_score_gives_an_empty_answer_its_due():
    found = Scores.of(judge(answer(0.1, 0.5), find(["tote"], SCENE), SCENE))
    nothing = Scores.of(judge("[]", Question(("crate",), ()), SCENE))
    invented = Scores.of(judge(answer(0.3), Question(("crate",), ()), SCENE))
    assert (found + nothing).score == 1.0
    assert nothing.score == 1.0
    assert invented.score == 0.0
    assert (found + invented).score == pytest.approx(2 * 2 / (2 + 3 + 1), abs=1e-4)
    assert Scores().score == 0.0
