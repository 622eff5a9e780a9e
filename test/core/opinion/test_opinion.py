# SPDX-License-Identifier: Apache-2.0
"""Which tracks are asked about, what leaves, what an answer means, and what a day may cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import OpinionSettings, PerceptionSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.opinion.audit import SENT, AuditFile, Shown
from lfmvl_ros.core.opinion.budget import Budget, day_of
from lfmvl_ros.core.opinion.choosing import allowed_ids, may_leave, rows_to_ask
from lfmvl_ros.core.opinion.crop import ENLARGED_PX, crop_around
from lfmvl_ros.core.opinion.judging import Judged, Judgement, judged
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.tracking import TrackState

from ...schemas import check
from ..rules.scenes import Object, tracks

EVERY = OpinionSettings(labels=("*",))
PLACE = np.array([100.0, 100.0, 200.0, 300.0])


# -- which tracks ----------------------------------------------------------------------------------


def test_no_label_may_leave_unless_it_is_named() -> None:
    assert not may_leave("person", OpinionSettings())
    assert not may_leave("person", OpinionSettings(labels=("red tote",)))
    assert may_leave("a Red Tote", OpinionSettings(labels=("red tote",)))
    assert may_leave("person", EVERY)


def test_a_model_without_an_audit_file_is_refused() -> None:
    with pytest.raises(UserError, match=r"opinion\.audit_file is empty"):
        OpinionSettings(model="bundled", audit_file=" ")
    with pytest.raises(UserError, match=r"opinion\.labels"):
        OpinionSettings(labels=("x" * 500,))


def ids_to_ask(
    objects: list[Object], settings: OpinionSettings = EVERY, **more: object
) -> list[int]:
    now = tracks(100.0, objects)
    return now.ids[rows_to_ask(now, settings, more.pop("asked_ns", {}), **more)].tolist()  # type: ignore[arg-type]


def test_the_least_certain_comes_first_and_certain_ones_are_left_alone() -> None:
    objects = [
        Object(1, 0.1, score=0.6),
        Object(2, 0.3, score=0.2, state=TrackState.TENTATIVE),
        Object(3, 0.5, score=0.9),
        Object(4, 0.7, score=0.1, state=TrackState.COASTING),
        Object(5, 0.9, score=0.1, size_px=(40, 8)),
    ]
    assert ids_to_ask(objects) == [2, 1]
    assert ids_to_ask(objects, OpinionSettings(labels=("tote",))) == []
    assert ids_to_ask(objects, requested={3}) == [3, 2, 1]
    assert allowed_ids(tracks(0, objects), EVERY) == {1, 3}


def test_not_again_within_the_period_and_new_ones_first() -> None:
    objects = [Object(1, 0.1, score=0.1), Object(2, 0.3, score=0.2), Object(3, 0.5, score=0.3)]
    asked_ns = {1: round(95e9), 2: round(85e9)}
    assert ids_to_ask(objects, asked_ns=asked_ns) == [3, 2]
    assert ids_to_ask(objects, asked_ns=asked_ns, requested={1}) == [1, 3, 2]


# -- the crop --------------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0.5, 4),
)
def test_a_crop_holds_the_box_and_no_more_than_the_margin(
    wh: tuple[int, int], shares: list[float], margin: float
) -> None:
    x1, x2 = sorted((shares[0] * wh[0], shares[1] * wh[0]))
    y1, y2 = sorted((shares[2] * wh[1], shares[3] * wh[1]))
    x1, y1 = min(x1, wh[0] - 1e-3), min(y1, wh[1] - 1e-3)
    box = np.array([x1, y1, max(x2, x1 + 1e-3), max(y2, y1 + 1e-3)])
    frame = Frame(np.zeros((wh[1], wh[0], 3), np.uint8), 7, camera="left")
    crop = crop_around(frame, box, margin)
    width, height = crop.frame.wh
    assert (crop.place >= -1e-6).all()
    assert (crop.place[2:] <= np.array([width, height]) + 1e-6).all()
    assert crop.taken_wh[0] <= (1 + 2 * margin) * (box[2] - box[0]) + 2
    assert crop.taken_wh[1] <= (1 + 2 * margin) * (box[3] - box[1]) + 2
    assert width * height <= max(ENLARGED_PX * 1.05 + 2 * (width + height), np.prod(crop.taken_wh))
    assert (crop.frame.stamp_ns, crop.frame.camera, crop.frame.region) == (7, "left", None)


def test_a_crop_has_the_pixels_around_the_box_only() -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, :200] = 255  # what must not leave
    crop = crop_around(Frame(pixels, 0), np.array([300.0, 200, 400, 300]), 0.5)
    assert crop.taken_wh == (200, 200)
    assert crop.frame.pixels.max() == 0
    np.testing.assert_allclose(crop.place / crop.frame.wh[0], [0.25, 0.25, 0.75, 0.75], atol=1e-3)


# -- what an answer means --------------------------------------------------------------------------


def answer(
    boxes: list[np.ndarray],
    labels: tuple[str, ...] = (),
    outcome: Outcome = Outcome.OK,
    score: float = 0.9,
    kind: str = "calibrated",
) -> Grounding:
    n = len(boxes)
    found = Detections(
        np.array(boxes, float).reshape(n, 4),
        labels or ("person",) * n,
        np.full(n, score),
        np.ones((n, 4)),
    )
    return Grounding(
        outcome, found, 0, "", "", (400, 400), Query.parse("person"), Reply(""),
        confidence_kind=kind,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grounding", "says", "confidence"),
    [
        (answer([PLACE]), "agree", 0.9),
        (answer([PLACE], kind="token"), "agree", None),
        (answer([PLACE + np.array([20, 0, 20, 0])], ("a Person",)), "agree", 0.9),
        (answer([PLACE + np.array([50, 0, 50, 0])]), "agree", 0.9),
        (answer([PLACE + np.array([80, 0, 80, 0])]), "disagree", None),
        (answer([PLACE], ("tote",)), "disagree", None),
        (answer([np.array([0, 0, 400, 400])]), "disagree", None),
        (answer([], outcome=Outcome.EMPTY), "disagree", None),
        (answer([], outcome=Outcome.TRUNCATED), "unsure", None),
        (answer([PLACE], outcome=Outcome.TRUNCATED), "agree", 0.9),
        (answer([PLACE], score=0.3), "unsure", None),
        (answer([], outcome=Outcome.UNPARSEABLE), "unparseable", None),
        (answer([], outcome=Outcome.TIMEOUT), "timeout", None),
        (answer([], outcome=Outcome.ERROR), "error", None),
    ],
)
def test_what_an_answer_about_a_crop_says(
    grounding: Grounding, says: str, confidence: float | None
) -> None:
    assert judged(grounding, "person", PLACE) == Judged(Judgement(says), confidence)


def test_every_outcome_is_judged() -> None:
    for outcome in Outcome:
        assert judged(answer([], outcome=outcome), "person", PLACE).judgement in Judgement


# -- the budget ------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 40), max_size=80), st.integers(1, 5), st.integers(1, 20))
def test_never_more_than_the_budgets(gaps: list[float], minute: int, day: int) -> None:
    budget, now, taken = Budget(), 0.0, []
    for gap in gaps:
        now += gap
        if budget.allows(now, "2030-01-01", minute, day):
            budget.take(now, "2030-01-01")
            taken.append(now)
    assert len(taken) <= day
    assert all(sum(t <= other < t + 60 for other in taken) <= minute for t in taken)


def test_a_new_day_starts_a_new_count_and_a_clock_set_back_does_not() -> None:
    budget = Budget("2030-01-02", 5)
    assert not budget.allows(0, "2030-01-02", 10, 5)
    assert not budget.allows(0, "2030-01-01", 10, 5)
    assert budget.allows(0, "2030-01-03", 10, 5)
    budget.take(0, "2030-01-03")
    assert budget.count_on("2030-01-03") == 1


# -- the audit file --------------------------------------------------------------------------------

SHOWN = Shown(1_500_000_000, "left", 3, "red\ntote", (80, 60), (740, 555), 1_232_100, "http://x:1")
NOON = 1_900_000_000.0


def test_the_days_crops_are_counted_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.jsonl"
    today, count = day_of(NOON), 3
    for _ in range(count):
        file = AuditFile(path)
        file.write(SHOWN, NOON, SENT)
        file.write(SHOWN, NOON + 1, "agree")
        file.write(SHOWN, NOON - 3 * 86400, SENT)
        file.close()
    assert AuditFile(path).count_on(today) == count
    lines = [check(json.loads(line)) for line in path.read_text().splitlines()]
    assert lines[0]["outcome"] == "sent"
    assert lines[0]["taken"] == [80, 60]
    assert lines[0]["to"] == "http://x:1"


def test_a_line_that_a_power_failure_cut_off_counts_and_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.write(SHOWN, NOON, SENT)
    file.close()
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    again = AuditFile(path)
    assert again.count_on(day_of(NOON)) == 2
    again.write(SHOWN, NOON, SENT)
    assert again.count_on(day_of(NOON)) == 3
    assert len(path.read_text().splitlines()) == 3


def test_another_file_is_not_taken_for_an_audit_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    with pytest.raises(UserError, match="is not an audit file"):
        AuditFile(path)
    assert path.read_text() == "buy milk\n"
    with pytest.raises(UserError, match=r"directory|file"):
        AuditFile(tmp_path)
    empty = tmp_path / "empty"
    empty.touch()
    assert AuditFile(empty).count_on("2030-01-01") == 0


def test_the_defaults_ask_nothing() -> None:
    settings = PerceptionSettings().opinion
    assert (settings.model, settings.labels) == ("", ("",))
