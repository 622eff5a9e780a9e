# SPDX-License-Identifier: Apache-2.0
"""An image and its parts: each object once, and none of a piece of one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.zoom.still import ask_closely, merged
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from ...examples import examples

WH = (640, 480)
LEFT = Region((0, 0, 400, 480), WH)
QUERY = Query.parse("tote, person")
Found = tuple[str, float, tuple[float, float, float, float]]


def answer(
    *found: Found, region: Region | None = None, outcome: Outcome | None = None
) -> Grounding:
    n = len(found)
    detections = Detections(
        np.array([box for _, _, box in found], np.float64).reshape(n, 4),
        tuple(label for label, _, _ in found),
        np.array([score for _, score, _ in found], np.float64),
        np.ones((n, 4)),
    )
    outcome = outcome or (Outcome.OK if n else Outcome.EMPTY)
    return Grounding(outcome, detections, 0, "", "", WH, QUERY, Reply("[]"), region=region)


def objects(grounding: Grounding) -> list[tuple[str, float]]:
    found = grounding.detections
    return sorted(zip(found.labels, found.scores.tolist(), strict=True))


BOX = (100.0, 100.0, 140.0, 140.0)


def test_what_only_a_part_shows_is_added() -> None:
    found = merged(answer(), [answer(("tote", 0.8, BOX), region=LEFT)])
    assert (found.outcome, objects(found), found.region) == (Outcome.OK, [("tote", 0.8)], None)


@pytest.mark.parametrize(("score", "kept"), [(0.9, 0.9), (0.5, 0.7)])
def test_of_two_boxes_of_one_object_the_more_confident_stays(score: float, kept: float) -> None:
    part = answer(("Tote", score, (102.0, 101.0, 141.0, 139.0)), region=LEFT)
    assert [s for _, s in objects(merged(answer(("tote", 0.7, BOX)), [part]))] == [kept]


def test_another_label_is_another_object() -> None:
    part = answer(("person", 0.9, BOX), region=LEFT)
    found = merged(answer(("tote", 0.7, BOX)), [part])
    assert objects(found) == [("person", 0.9), ("tote", 0.7)]


def test_a_piece_of_an_object_that_goes_on_outside_is_none() -> None:
    across = ("person", 0.6, (300.0, 100.0, 500.0, 400.0))
    piece = answer(("person", 0.9, (310.0, 110.0, 380.0, 390.0)), region=LEFT)
    assert objects(merged(answer(across), [piece])) == [("person", 0.6)]


def test_failures_add_nothing_and_hide_nothing() -> None:
    failed = answer(region=LEFT, outcome=Outcome.TIMEOUT)
    assert objects(merged(answer(("tote", 0.7, BOX)), [failed])) == [("tote", 0.7)]
    lost = answer(outcome=Outcome.ERROR)
    assert merged(lost, [answer(("tote", 0.8, BOX), region=LEFT)]) is lost


def test_labels_that_were_not_asked_for_are_named() -> None:
    found = merged(answer(("tote", 0.7, BOX)), [answer(("cat", 0.8, BOX), region=LEFT)])
    assert found.unknown_labels == ("cat",)


@st.composite
def answers(draw: st.DrawFn, region: Region | None) -> Grounding:
    found: list[Found] = []
    for _ in range(draw(st.integers(0, 5))):
        w, h = draw(st.integers(5, 200)), draw(st.integers(5, 200))
        x, y = draw(st.integers(0, 400 - w)), draw(st.integers(0, 480 - h))
        box = (float(x), float(y), float(x + w), float(y + h))
        candidate = (draw(st.sampled_from(["tote", "person"])), draw(st.floats(0, 1)), box)
        boxes = [other for label, _, other in found if label == candidate[0]]
        if not boxes or iou_matrix(np.array([box]), np.array(boxes)).max() < 0.5:
            found.append(candidate)
    return answer(*found, region=region)


@given(whole=answers(None), parts=st.lists(answers(LEFT), max_size=3))
@examples(100)
def test_no_object_is_there_twice(whole: Grounding, parts: list[Grounding]) -> None:
    found = merged(whole, parts).detections
    overlaps = iou_matrix(found.xyxy_px, found.xyxy_px)
    np.fill_diagonal(overlaps, 0.0)
    labels = np.array(found.labels, object)
    assert not ((overlaps >= 0.5) & (labels[:, None] == labels[None])).any()
    assert merged(whole, []).detections.labels == whole.detections.labels
    named = {label for each in (whole, *parts) for label in each.detections.labels}
    assert set(found.labels) == named or not found.labels


def test_a_model_is_asked_about_all_parts() -> None:
    text = json.dumps([{"label": "tote", "bbox": [0.4, 0.4, 0.5, 0.5]}])
    model = ReplayModel([RecordedReply(Reply("[]"))] + [RecordedReply(Reply(text))] * 4)
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 0)
    settings = PerceptionSettings(query="tote")
    grounding, made_of = ask_closely(model, frame, QUERY, settings)
    assert len(made_of) == 5
    assert made_of[0].region is None
    assert len({part.region for part in made_of[1:]}) == 4
    assert grounding.detections.labels == ("tote",) * 4
