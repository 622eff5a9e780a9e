# SPDX-License-Identifier: Apache-2.0
"""Answers are judged as COCO's AP50 counts, and figures have intervals that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.evaluate.answers import JudgedAnswer, Truth, answer_all, judge
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.figures import COLUMNS, Sums, sums_of
from lfmvl_ros.evaluate.page_images import _answer, best_and_worst
from lfmvl_ros.evaluate.questions import ImageQuestion, questions_for
from lfmvl_ros.evaluate.slices import labels_of, slices_of
from lfmvl_ros.evaluate.table import outcomes, table_of
from lfmvl_ros.evaluate.timing import latency_figures
from lfmvl_ros.models.load import load_model

from ..examples import examples
from .folders import recorded

LABELS = ("tote", "person")


def judged(
    image: int,
    truth: list[tuple[int, list[float]]],
    answer: list[tuple[str, list[float]]],
    outcome: Outcome = Outcome.OK,
    crowds: list[tuple[int, list[float]]] | None = None,
) -> JudgedAnswer:
    """An answer about a 100 x 100 image; boxes in pixels."""
    found = Detections(
        np.array([box for _, box in answer], np.float64).reshape(-1, 4),
        tuple(label for label, _ in answer), np.full(len(answer), 0.5),
        np.ones((len(answer), 4)),
    )  # fmt: skip
    question = ImageQuestion(image, LABELS, (0, 1))
    grounding = Grounding(outcome, found, 0, "", "", (100, 100), Query(LABELS), Reply(""))
    expected = Truth(
        np.array([box for _, box in truth], np.float64).reshape(-1, 4) / 100,
        np.array([kind for kind, _ in truth], np.int64), np.full(len(truth), np.nan),
        np.array([box for _, box in crowds or []], np.float64).reshape(-1, 4) / 100,
        np.array([kind for kind, _ in crowds or []], np.int64),
    )  # fmt: skip
    return judge(question, expected, grounding, total_s=0.1, light=0.5)


ONE, SHIFTED, FAR = [10, 10, 50, 50], [14, 10, 54, 50], [60, 60, 90, 90]


@pytest.mark.parametrize(
    ("answer", "found", "wrong"),
    [
        ([("tote", ONE)], 1, 0),
        ([("a Tote", SHIFTED)], 1, 0),
        ([("person", ONE)], 0, 1),
        ([("tote", FAR)], 0, 1),
        ([("tote", ONE), ("tote", SHIFTED)], 1, 1),  # an object makes one box right
        ([("ladder", ONE)], 0, 1),
        ([], 0, 0),
    ],
)
def test_a_box_is_right_by_label_and_overlap(
    answer: list[tuple[str, list[float]]], found: int, wrong: int
) -> None:
    item = judged(0, [(0, ONE)], answer)
    assert (item.truth_iou > 0).sum() == found
    assert (item.box_iou == 0).sum() == wrong
    assert (item.found_row >= 0).sum() == found


@pytest.mark.parametrize(
    ("answer", "uncounted", "wrong"),
    [
        ([("tote", [60, 60, 70, 70]), ("tote", [80, 80, 90, 90])], 2, 0),  # any number of them
        ([("person", [60, 60, 70, 70])], 0, 1),  # a crowd of another label
        ([("tote", [55, 60, 65, 70])], 1, 0),  # half of the box
        ([("tote", [54, 60, 64, 70])], 0, 1),
        ([("tote", ONE)], 0, 0),  # an object comes first
    ],
)
def test_a_box_on_a_crowd_is_neither_right_nor_wrong(
    answer: list[tuple[str, list[float]]], uncounted: int, wrong: int
) -> None:
    item = judged(0, [(0, ONE)], answer, crowds=[(0, FAR), (0, ONE)])
    assert (int(item.on_crowd.sum()), int(item.wrong.sum())) == (uncounted, wrong)
    table = table_of([item], images=1)
    assert len(table.boxes.iou) == len(answer) - uncounted
    # How many totes there are is not known; of persons, there are none.
    assert table.count_off.tolist() == [sum(label == "person" for label, _ in answer)]
    assert table.labels_asked.tolist() == [1]


def test_a_question_about_a_crowd_is_none_about_something_absent() -> None:
    table = table_of([judged(0, [], [], crowds=[(0, FAR)]), judged(1, [], [])], images=2)
    assert table.absent.tolist() == [False, True]


def test_the_best_overlap_wins() -> None:
    item = judged(0, [(0, ONE), (0, SHIFTED)], [("tote", SHIFTED)])
    assert item.truth_iou.tolist() == [0.0, 1.0]
    assert item.found_row.tolist() == [1]


def test_figures_are_the_shares_that_they_say() -> None:
    table = table_of(
        [
            judged(0, [(0, ONE), (1, FAR)], [("tote", SHIFTED), ("person", ONE)]),
            judged(1, [], []),
            judged(2, [], [("tote", ONE)]),
            judged(3, [], [], Outcome.TIMEOUT),
        ],
        images=4,
    )
    found = sums_of(table, answers=table.headline).figures()
    assert found["recall"]["value"] == 0.5
    assert found["precision"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["f1"]["value"] == 0.4
    assert found["mean_iou"]["value"] == pytest.approx(36 / 44, abs=1e-4)
    # One in three: the second image. An answer that failed says nothing about absence.
    assert (found["absent_empty"]["value"], found["absent_empty"]["n"]) == (0.3333, 3)
    assert found["count_error"]["value"] == pytest.approx(1 / 8)  # a tote too many
    assert outcomes(table.judged) == {"ok": 3, "timeout": 1}


def test_labels_that_nobody_annotated_are_counted_once() -> None:
    labels = ("tote", "ladder", "cone")
    found = Detections(np.array([ONE, FAR, FAR, FAR], np.float64),
                       ("ladder", "a Cone", "cone", "shoe"), np.full(4, 0.5),
                       np.ones((4, 4)))  # fmt: skip
    grounding = Grounding(Outcome.OK, found, 0, "", "", (100, 100), Query(labels), Reply(""))
    nothing = Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    question = ImageQuestion(0, labels, (0, -1, -1))
    item = judge(question, nothing, grounding, total_s=0.1, light=0.5)
    table = table_of([item], images=1)
    assert table.count_off.tolist() == [3.0]  # a shoe was not asked for
    assert item.asked.tolist() == [True, True, True, False]
    texts = " ".join(_answer(item, LABELS, (100, 100), 2.0))
    assert "ladder, not annotated" in texts
    assert "shoe, not asked for" in texts
    assert "0.50" not in texts  # no confidence, but a placeholder
    calibrated = replace(item, confidence_kind="calibrated")
    assert "shoe, not asked for 0.50" in " ".join(_answer(calibrated, LABELS, (100, 100), 2.0))


def test_the_worst_images_have_errors_and_the_best_something_found() -> None:
    right = [judged(i, [(0, ONE)], [("tote", ONE)]) for i in range(3)]
    missed = [judged(i, [(0, ONE)], []) for i in range(3, 6)]
    assert best_and_worst(right) == ([0, 1], [])
    assert best_and_worst(missed) == ([], [3, 4])
    best, worst = best_and_worst([*right, *missed])
    assert (best, worst) == ([0, 1, 2], [3, 4, 5])


def test_nothing_to_count_is_no_figure() -> None:
    table = table_of([judged(0, [], [])], images=1)
    found = sums_of(table, answers=table.headline).figures()
    assert found["recall"] == {"value": None, "low": None, "high": None, "n": 0}
    assert found["absent_empty"]["value"] == 1.0
    assert found["absent_empty"]["low"] < 0.3  # one answer proves little


@pytest.mark.parametrize("images", [1, 9, 10])
def test_few_images_give_no_interval_of_what_is_no_share(images: int) -> None:
    answers = ([("tote", ONE)], [("tote", SHIFTED), ("tote", FAR)])
    table = table_of([judged(i, [(0, ONE)], answers[i % 2]) for i in range(images)], images)
    found = {**sums_of(table, answers=table.headline).figures(),
             **latency_figures(100.0 + np.arange(images))}  # fmt: skip
    for name in ("mean_iou", "count_error", "latency_p95_ms"):
        assert found[name]["value"] is not None
        assert (found[name]["low"] is None, found[name]["high"] is None) == (images < 10,) * 2
    assert found["recall"]["low"] < 1


def test_what_is_no_share_and_does_not_vary_has_no_interval() -> None:
    table = table_of([judged(i, [(0, ONE)], [("tote", SHIFTED)]) for i in range(20)], 20)
    found = {**sums_of(table, answers=table.headline).figures(),
             **latency_figures(np.full(20, 100.0))}  # fmt: skip
    for name in ("mean_iou", "count_error", "latency_p95_ms"):
        assert (found[name]["low"], found[name]["high"]) == (None, None), name


def sums(found: np.ndarray, objects: np.ndarray) -> Sums:
    rows = np.zeros((len(found), len(COLUMNS)))
    rows[:, COLUMNS.index("found")] = found
    rows[:, COLUMNS.index("objects")] = objects
    return Sums(rows)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
@examples(60)
def test_an_interval_is_around_its_value(pairs: list[tuple[int, int]]) -> None:
    objects = np.array([a + b for a, b in pairs])
    found = sums(np.array([a for a, _ in pairs]), objects).figure("recall")
    if objects.sum() == 0:
        assert found["value"] is None
    else:
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert found["low"] < found["high"]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Images differ (a beta distribution of recall), so that boxes of one image err together."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        share = rng.beta(4, 2, 60)
        objects = rng.integers(1, 6, 60)
        found = sums(rng.binomial(objects, share), objects).figure("recall")
        inside += found["low"] <= 4 / 6 <= found["high"]
    assert 0.90 <= inside / 200 <= 0.99


def test_slices_and_labels_add_up_to_the_whole(data: EvaluationSet, tmp_path) -> None:
    questions = questions_for(data)
    model = load_model(str(recorded(tmp_path / "replies.jsonl", data, questions)))
    done = answer_all(model, PerceptionSettings(), data, questions)
    table = table_of(done, len(data.images))
    whole = sums_of(table, answers=table.headline)
    objects, boxes = (int(whole.column(name).sum()) for name in ("objects", "boxes"))
    assert objects == sum(len(image.kinds) for image in data.images)
    entries = slices_of(table)
    for by in ("size", "light", "aspect", "language"):
        mine = [entry for entry in entries if entry["by"] == by]
        assert sum(entry["objects"] for entry in mine) == objects, by
        assert sum(entry["boxes"] for entry in mine) == boxes, by
    assert sum(e["objects"] for e in entries if e["by"] == "occlusion") == objects
    labels = labels_of(table, data.labels, [image.name for image in data.images])
    assert sum(entry["objects"] for entry in labels) == objects
    missed = sum(entry["false_negatives"] for entry in labels)
    assert missed == objects - whole.column("found").sum()
    named = {name for entry in labels for name in entry["missed_in"]}
    assert named == {
        data.images[item.question.image].name for item in done if (item.truth_iou == 0).any()
    }
