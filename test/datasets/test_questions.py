# SPDX-License-Identifier: Apache-2.0
"""Questions have right answers, in the published form, from left to right."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lfmvl_ros.datasets.questions import AnswerObject, Target, answer_text, ask, find, translated


def target(x, *names, size=0.2, visibility=1.0):
    box = np.array([x, 0.1, x + size, 0.1 + size])
    return Target(names, 0, 0, box, visibility)


def test_answers_are_json_with_two_decimals():
    text = answer_text([AnswerObject("red tote", target(0.371, "tote", "red tote"))])
    assert text == '[{"label": "red tote", "bbox": [0.37, 0.10, 0.57, 0.30]}]'
    assert answer_text([]) == "[]"
    assert "0.371" in answer_text([AnswerObject("tote", target(0.371, "tote"))], decimals=3)
    assert json.loads(answer_text([AnswerObject('a "b"', target(0.1, "x"))]))[0]["label"] == 'a "b"'


def test_objects_come_from_left_to_right_whatever_their_depth():
    scene = [target(0.6, "tote"), target(0.1, "pallet"), target(0.3, "tote")]
    found = find(["tote", "pallet"], scene).found
    assert [item.label for item in found] == ["pallet", "tote", "tote"]


def test_hidden_and_tiny_objects_are_not_expected():
    scene = [target(0.1, "tote", visibility=0.2), target(0.3, "tote", size=0.05)]
    assert find(["tote"], scene).found == ()


def test_the_longer_of_two_fitting_labels_wins():
    found = find(["tote", "red tote"], [target(0.1, "tote", "red tote")]).found
    assert [item.label for item in found] == ["red tote"]


def test_mirroring_keeps_boxes_in_order():
    box = target(0.1, "tote").mirrored().xyxy
    np.testing.assert_allclose(box, [0.7, 0.1, 0.9, 0.3])


@pytest.mark.parametrize("limit", [1, 3])
def test_random_questions_are_answerable_and_limited(rectangles, limit):
    rng = np.random.default_rng(0)
    absent = 0
    for _ in range(200):
        scene = rectangles.draw(rng, (64, 64), 5)
        question = ask(rng, scene.targets, rectangles.vocabulary, max_objects=limit)
        known = {name for names in rectangles.vocabulary.names for name in names}
        assert set(question.labels) <= known
        assert len(set(question.labels)) == len(question.labels) >= 1
        assert all(item.label in item.target.names for item in question.found)
        absent += not question.found
    assert 10 < absent < 150


def test_some_questions_come_in_another_language_and_get_its_answer(rectangles):
    words = {"tote": "bac", "pallet": "palette"}
    vocabulary = replace(rectangles.vocabulary, languages={"fr": words})
    box = np.array([0.1, 0.1, 0.4, 0.4])
    scene = [Target(("tote", "red tote"), 0, 0, box, 1.0, ("bac",))]
    rng, french = np.random.default_rng(0), 0
    for _ in range(300):
        question = ask(rng, scene, vocabulary)
        foreign = set(question.labels) & set(words.values())
        french += bool(foreign)
        if "bac" in question.labels:
            assert [item.label for item in question.found] == ["bac"]
    assert 30 < french < 90


def test_a_translated_question_names_each_kind_once(rectangles):
    words = {"tote": "bac", "pallet": "palette"}
    vocabulary = replace(rectangles.vocabulary, languages={"fr": words})
    labels = ["red tote", "pallet", "blue tote"]
    assert translated(labels, "fr", vocabulary) == ["bac", "palette"]


def test_some_questions_mix_languages(rectangles):
    scene = [target(0.1, "tote"), target(0.5, "pallet")]
    words = {
        tongue: {kind: f"{tongue}-{kind}" for kind in rectangles.vocabulary.kinds}
        for tongue in ("de", "ja")
    }
    vocabulary = replace(rectangles.vocabulary, languages=words)
    asked = [ask(np.random.default_rng(i), scene, vocabulary).labels for i in range(400)]
    tongues = [sorted({label[:3] if "-" in label else "en" for label in q}) for q in asked]
    assert {"de-", "ja-"} in map(set, tongues)
    assert {"de-", "en"} in map(set, tongues)
    alone = [q for q, used in zip(asked, tongues, strict=True) if used == ["ja-"] and len(q) > 1]
    assert alone
    for labels in asked:
        kinds = [label.split("-")[-1].split()[-1] for label in labels if "-" in label]
        assert len(set(kinds)) == len(kinds)  # two names of a kind would both fit its objects
