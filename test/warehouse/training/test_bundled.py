# SPDX-License-Identifier: Apache-2.0
"""The weights that ship: genuine classes, small enough, and they find what is asked for."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.prompt import FINE_TEMPLATE
from lfmvl_ros.datasets.judging import Scores, judge, parse_strictly
from lfmvl_ros.datasets.questions import find, kinds_shown
from lfmvl_warehouse.scenes import EASY, render_still
from lfmvl_warehouse.training.data.captions import phrases_of
from lfmvl_warehouse.training.data.sources import WarehouseScenes
from lfmvl_warehouse.training.run.card import FACTS_FILE, SCORES_FILE
from lfmvl_warehouse.training.run.evaluation import HELD_OUT_SEED

ROOT = Path(__file__).parents[3]
BUNDLED = ROOT / "lfmvl_warehouse" / "checkpoint"


@pytest.fixture(scope="module")
def asked():
    source, items = WarehouseScenes(), []
    for index in range(10):
        rng = np.random.default_rng([HELD_OUT_SEED, 99, index])
        scene = source.convert(render_still(rng, wh=(256, 256), options=EASY))
        items.append((scene, find(kinds_shown(scene.targets), scene.targets)))
    return items


@pytest.fixture(scope="module")
def checkpoint(benchmark):
    return benchmark.Checkpoint(BUNDLED)


@pytest.fixture(scope="module")
def answers(benchmark, checkpoint, asked):
    return checkpoint.answers([benchmark.Asked("easy", *item) for item in asked])


def test_it_ships_with_card_facts_and_scores():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 30e6
    scores = json.loads((BUNDLED / SCORES_FILE).read_text())
    card = (BUNDLED / "README.md").read_text()
    assert f"{scores['recall50']:.3f}" in card
    assert json.loads((BUNDLED / FACTS_FILE).read_text())["parameters"] == scores["params"]
    config = json.loads((BUNDLED / "config.json").read_text())
    assert config["architectures"] == ["Lfm2VlForConditionalGeneration"]
    assert config["dtype"] == "bfloat16"


def test_answers_are_valid_json_with_the_labels_asked_for(asked, answers):
    for (_, question), (text, _) in zip(asked, answers, strict=True):
        boxes = parse_strictly(text)
        assert boxes is not None, text
        assert {label for label, _ in boxes} <= set(question.labels)


def test_it_finds_objects(asked, answers):
    verdicts = [
        judge(text, question, scene.targets)
        for (scene, question), (text, _) in zip(asked, answers, strict=True)
    ]
    rates = sum((Scores.of(verdict) for verdict in verdicts), Scores()).rates()
    shipped = json.loads((BUNDLED / SCORES_FILE).read_text())["by_slice"]["easy_stills"]
    assert rates["recall50"] > shipped["recall50"] - 0.25
    assert rates["precision50"] > shipped["precision50"] - 0.25


def test_each_object_has_a_confidence(answers):
    for text, sure in answers:
        assert len(sure) == len(parse_strictly(text))
        assert all(0 < value <= 1 for value in sure)


def test_it_writes_three_decimals_when_asked(benchmark, checkpoint, asked):
    items = [benchmark.Asked("fine", *item, FINE_TEMPLATE) for item in asked[:4]]
    for text, _ in checkpoint.answers(items):
        numbers = re.findall(r"\d\.(\d+)", text)
        assert all(len(number) == 3 for number in numbers), text
        assert parse_strictly(text) is not None


def test_it_answers_about_images_in_tiles(benchmark, checkpoint):
    rng = np.random.default_rng([HELD_OUT_SEED, 98, 0])
    scene = WarehouseScenes().convert(render_still(rng, wh=(1280, 720), options=EASY))
    question = find(kinds_shown(scene.targets), scene.targets)
    item = benchmark.Asked("tiled", scene, question, tiles=True)
    assert len(checkpoint.inputs([item])["pixel_values"]) == 9  # 4 x 2, and the thumbnail
    ((text, _),) = checkpoint.answers([item])
    verdict = judge(text, question, scene.targets)
    assert verdict.valid
    assert any(verdict.overlaps), text


def test_it_describes_what_it_sees(checkpoint, asked):
    for text in checkpoint.sentences([scene for scene, _ in asked[:4]]):
        assert phrases_of(text) is not None, text
