# SPDX-License-Identifier: Apache-2.0
"""AP is that of COCO's own tools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.reply import StageTimes
from lfmvl_ros.evaluate.answers import JudgedAnswer, Truth
from lfmvl_ros.evaluate.average_precision import (
    average_precision,
    coco_documents,
    coco_values,
    jackknife_error,
)
from lfmvl_ros.evaluate.questions import ImageQuestion
from lfmvl_ros.evaluate.table import AnswerTable, table_of

pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
LABELS = ("tote", "person", "forklift")


def random_answers(seed: int, images: int = 24, *, crowds: int = 0) -> list[JudgedAnswer]:
    rng = np.random.default_rng(seed)
    done = []
    for image in range(images):
        n, extra = int(rng.integers(0, 7)), int(rng.integers(0, 3))
        corner, size = rng.uniform(0, 0.6, (n, 2)), rng.uniform(0.01, 0.4, (n, 2))
        truth = np.concatenate([corner, corner + size], axis=1)
        kinds = rng.integers(0, 3, n)
        kept = rng.random(n) < 0.8
        moved = truth[kept] + rng.normal(0, 0.02, (int(kept.sum()), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 0.005)
        false = np.sort(rng.uniform(0, 1, (extra, 2, 2)), axis=1).reshape(extra, 4)
        boxes = np.concatenate([moved, false])
        scores = rng.uniform(0, 1, len(boxes)).round(2)  # with ties
        areas = np.sort(rng.uniform(0, 1, (crowds, 2, 2)), axis=1).reshape(crowds, 4)
        done.append(
            JudgedAnswer(
                ImageQuestion(image, LABELS, (0, 1, 2)),
                Truth(truth, kinds, np.full(n, np.nan), areas, np.arange(crowds) % 3),
                np.zeros(n),
                boxes,
                np.concatenate([kinds[kept], rng.integers(0, 3, extra)]),
                scores,
                np.zeros(len(boxes)),
                np.full(len(boxes), -1),
                Outcome.OK,
                "token",
                StageTimes(),
                0.1,
                0.5,
                (640, 480),
                ("",) * len(boxes),
            )
        )
    return done


def by_pycocotools(truth: dict[str, Any], found: list[dict[str, Any]]) -> tuple[float, float]:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        expected = coco.COCO()
        expected.dataset = {"info": {}, **truth}
        expected.createIndex()
        evaluation = cocoeval.COCOeval(expected, expected.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


@pytest.mark.parametrize("crowds", [0, 4])
@pytest.mark.parametrize("seed", range(6))
def test_it_equals_pycocotools(seed: int, crowds: int) -> None:
    truth, found = coco_documents(random_answers(seed, crowds=crowds), LABELS)
    assert sum(each["iscrowd"] for each in truth["annotations"]) == 24 * crowds
    expected = by_pycocotools(truth, found)
    values = coco_values(truth, found, [[image["id"] for image in truth["images"]]])
    assert 0.05 < expected[0] < 0.95
    np.testing.assert_allclose(values[0], expected, atol=1e-6)


def test_an_interval_comes_from_parts_of_the_images() -> None:
    table = table_of(random_answers(3, images=60), 60)
    names = [f"{i}.png" for i in range(60)]
    found = average_precision(table, LABELS, names)
    assert len(found["ap_parts"]) == 10
    assert found["ap"]["low"] < found["ap"]["value"] < found["ap"]["high"]
    assert 0.01 < found["ap"]["high"] - found["ap"]["low"] < 0.4
    assert average_precision(table, LABELS, names) == found


def test_few_images_give_no_interval() -> None:
    names = [f"{i}.png" for i in range(10)]
    for images in (9, 10):
        found = average_precision(table_of(random_answers(3, images), images), LABELS, names)
        assert (found["ap"]["low"] is None) == (images < 10)


def test_nothing_found_and_nothing_there() -> None:
    answers = random_answers(0, images=4)
    empty = [
        JudgedAnswer(a.question, a.truth, a.truth_iou, np.zeros((0, 4)), np.zeros(0, np.int64),
               np.zeros(0), np.zeros(0), np.zeros(0, np.int64), Outcome.EMPTY, "constant",
               a.times, 0.1, 0.5, a.wh_px, ())
        for a in answers
    ]  # fmt: skip
    assert average_precision(table(empty), LABELS, list("abcd"))["ap"]["value"] == 0.0
    nothing = [
        JudgedAnswer(a.question, Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0)),
               np.zeros(0), a.xyxy, a.kinds, a.scores, a.box_iou, a.found_row, a.outcome, "token",
               a.times, 0.1, 0.5, a.wh_px, a.labels)
        for a in answers
    ]  # fmt: skip
    assert average_precision(table(nothing), LABELS, list("abcd"))["ap"]["value"] is None


def test_crowds_alone_are_nothing_to_measure_on() -> None:
    truth, found = coco_documents(random_answers(0, crowds=2), LABELS)
    truth["annotations"] = [each for each in truth["annotations"] if each["iscrowd"]]
    assert np.isnan(coco_values(truth, found, [[image["id"] for image in truth["images"]]])).all()
    assert np.isnan(coco_values(truth, [], [[image["id"] for image in truth["images"]]])).all()


def table(answers: list[JudgedAnswer]) -> AnswerTable:
    return table_of(answers, len(answers))


def test_the_jackknife_is_the_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(0, 1, 20)
    without = (values.sum() - values) / 19
    assert jackknife_error(without) == pytest.approx(values.std(ddof=1) / np.sqrt(20))
