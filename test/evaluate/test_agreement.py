# SPDX-License-Identifier: Apache-2.0
"""When two answers are the same, and what is left when a process of a model is killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.reply import StageTimes
from lfmvl_ros.evaluate.agreement import agreement, is_equal
from lfmvl_ros.evaluate.answers import JudgedAnswer, Truth
from lfmvl_ros.evaluate.data import evaluation_set
from lfmvl_ros.evaluate.own_process import answered_alone
from lfmvl_ros.evaluate.questions import ImageQuestion, questions_for
from lfmvl_ros.evaluate.scorecard import ModelRun

from ..datasets.coco_folders import scene_folder
from ..examples import examples

NOTHING = Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


def answer(
    labels: tuple[str, ...], xyxy: np.ndarray, scores: np.ndarray, *, image: int = 0,
    outcome: Outcome = Outcome.OK, kind: str = "token",
) -> JudgedAnswer:  # fmt: skip
    count = len(labels)
    return JudgedAnswer(
        ImageQuestion(image, ("tote",), (0,)), NOTHING, np.zeros(0), xyxy.reshape(count, 4),
        np.full(count, -1), scores, np.zeros(count), np.full(count, -1), outcome, kind,
        StageTimes(), 0.1, 0.5, (640, 480), labels,
    )  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> JudgedAnswer:
    count = draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    corner = rng.uniform(0, 0.6, (count, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform(0.05, 0.4, (count, 2))], axis=1).round(2)
    labels = tuple(draw(st.sampled_from(["tote", "person", "箱"])) for _ in range(count))
    outcome = Outcome.OK if count else draw(st.sampled_from([Outcome.EMPTY, Outcome.TIMEOUT]))
    return answer(labels, xyxy, rng.uniform(0, 1, count), outcome=outcome)


def run(name: str, *judged: JudgedAnswer) -> ModelRun:
    return ModelRun(name, name, {}, judged, 1.0, images=len(judged))


@given(answers(), st.randoms(use_true_random=False))
@examples(60)
def test_an_answer_equals_itself_in_any_order(one: JudgedAnswer, random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(one.labels)))
    random.shuffle(order)
    other = replace(one, labels=tuple(one.labels[i] for i in order), xyxy=one.xyxy[order],
                    scores=one.scores[order])  # fmt: skip
    assert is_equal(one, other)
    found = agreement(run("a", one), run("b", other), ["0.png"])
    assert found["equal"]["value"] == found["same_objects"]["value"] == 1.0
    assert found["box_iou"]["value"] in (None, 1.0)
    assert found["score_shift"]["value"] == (0.0 if order else None) or len(set(one.labels)) < len(
        one.labels
    )


BOX = np.array([0.2, 0.2, 0.6, 0.6])
NEAR, FAR = BOX + 0.02, BOX + 0.3


@pytest.mark.parametrize(
    ("other", "equal", "same_objects"),
    [
        (answer(("tote",), BOX, np.array([0.4])), 1, 1),
        (answer(("tote",), NEAR, np.array([0.4])), 0, 1),
        (answer(("tote",), FAR, np.array([0.4])), 0, 0),
        (answer(("person",), BOX, np.array([0.4])), 0, 0),
        (answer(("tote",), BOX, np.array([0.4]), outcome=Outcome.REPAIRED), 0, 1),
        (answer(("tote",), BOX, np.array([0.4]), outcome=Outcome.TRUNCATED), 0, 0),
        (answer((), np.zeros(0), np.zeros(0), outcome=Outcome.ERROR), 0, 0),
    ],
)
def test_what_counts_as_the_same(other: JudgedAnswer, equal: int, same_objects: int) -> None:
    found = agreement(run("a", answer(("tote",), BOX, np.array([0.9]))), run("b", other), ["x"])
    assert (found["equal"]["value"], found["same_objects"]["value"]) == (equal, same_objects)
    assert found["differing"] == ([] if same_objects else ["x"])
    if same_objects:
        assert found["score_shift"]["value"] == pytest.approx(-0.5)


def test_a_failure_is_not_the_same_as_nothing_there() -> None:
    empty, failed = (answer((), np.zeros(0), np.zeros(0), outcome=each)
                     for each in (Outcome.EMPTY, Outcome.TIMEOUT))  # fmt: skip
    found = agreement(run("a", empty), run("b", failed), ["x"])
    assert found["same_objects"]["value"] == 0.0


def test_placeholders_are_no_confidences() -> None:
    one = answer(("tote",), BOX, np.array([0.9]))
    found = agreement(run("a", one), run("b", replace(one, confidence_kind="constant")), ["x"])
    assert found["equal"]["value"] == 1.0
    assert found["score_difference"]["value"] is None


@pytest.mark.slow
def test_a_killed_process_is_a_sentence(tmp_path: Path) -> None:
    scene_folder(tmp_path / "images", count=4, kinds=("tote", "person", "crate"))
    data = evaluation_set(tmp_path / "images")
    os.mkfifo(tmp_path / "never.jsonl")  # nobody writes into it: it loads until it is killed
    settings = PerceptionSettings(model=str(tmp_path / "never.jsonl"))

    def kill() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.01)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UserError, match="exit code -9"):
        answered_alone(settings, {}, data, questions_for(data))
    killer.join()
