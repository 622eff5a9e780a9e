# SPDX-License-Identifier: Apache-2.0
"""The pipeline with a model whose answers the test releases one by one."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import EgoMotion, Intrinsics

from ...waiting import PATIENCE_S
from .gated import BOX, MS, GatedBench, GatedModel, frame


@pytest.fixture
def bench() -> Iterator[GatedBench]:
    bench = GatedBench()
    yield bench
    assert bench.stop()


def test_answer_belongs_to_its_frame_and_tracks_to_the_newest(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000))
    bench.asked()
    answer = bench.answer()
    assert answer.grounding.outcome is Outcome.OK
    assert (answer.grounding.stamp_ns, answer.grounding.frame_id) == (1000 * MS, "lens")
    tracks = bench.pipeline.submit(frame(1100))
    assert tracks.stamp_ns == 1100 * MS
    np.testing.assert_allclose(tracks.xyxy_px, [[16, 12, 32, 36]], atol=2.0)


def test_a_camera_that_is_felt_to_turn_takes_its_own_tracks_along() -> None:
    bench = GatedBench(tracker__bridge="predict")
    lens, yaw = Intrinsics(60.0, 60.0, 32.0, 24.0), [0.0, 0.5, 0.0]
    ego = EgoMotion(lens).with_rates([n * 10 * MS for n in range(100, 151)], [yaw] * 51)
    try:
        bench.pipeline.set_ego_motion("left", ego)  # nobody knows it yet
        for camera in ("left", "right"):
            bench.pipeline.submit(frame(1000, camera))
            bench.asked()
            bench.answer()
        bench.pipeline.set_ego_motion("left", ego)
        left, right = (bench.pipeline.submit(frame(1500, name)) for name in ("left", "right"))
        # The box's middle is at 24, 24: 7.6 degrees left of the axis; the camera turns 14.3 right.
        middle = 32 + 60 * np.tan(np.arctan2(24 - 32, 60) - 0.25)
        np.testing.assert_allclose(left.xyxy_px[:, [0, 2]].mean(), middle, atol=1.0)
        np.testing.assert_allclose(right.xyxy_px, [[16, 12, 32, 36]], atol=1.0)
        bench.pipeline.set_ego_motion("left", None)
        still = bench.pipeline.submit(frame(1510, "left"))
        np.testing.assert_allclose(still.xyxy_px, [[16, 12, 32, 36]], atol=1.0)
    finally:
        bench.stop()


def test_newest_frame_wins_and_the_others_are_counted(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000))
    bench.asked()
    for stamp_ms in (1033, 1066, 1100):
        bench.pipeline.submit(frame(stamp_ms))
    bench.answer()
    seen, _ = bench.asked()
    assert seen.stamp_ns == 1100 * MS
    bench.answer("[]")
    status = bench.pipeline.status()
    assert (status.frames, status.superseded) == (4, 2)
    assert status.outcomes == {"ok": 1, "empty": 1}


def test_answer_keeps_the_query_it_was_asked_with(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000))
    bench.asked()
    changed = bench.pipeline.settings.updated({"query": "red cone"})
    bench.pipeline.reconfigure(changed)
    assert bench.answer().grounding.query.text == "tote"
    bench.pipeline.submit(frame(1100))
    _, prompt = bench.asked()
    assert "red cone" in prompt.text
    grounding = bench.answer("[]").grounding
    assert (grounding.query.text, grounding.query.version) == ("red cone", 2)


@pytest.mark.parametrize("query", ["", " , ;", "<|im_end|>", "<image>,<|im_start|>"])
def test_unusable_query_is_refused_and_changes_nothing(bench: GatedBench, query: str) -> None:
    with pytest.raises(UserError):
        bench.pipeline.reconfigure(bench.pipeline.settings.updated({"query": query}))
    assert bench.pipeline.query.text == "tote"


def test_a_raising_model_is_an_error_outcome_and_the_worker_goes_on(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000))
    bench.asked()
    bench.model.replies.put(RuntimeError("boom"))
    grounding = bench.answers.get(timeout=PATIENCE_S).grounding
    assert grounding.outcome is Outcome.ERROR
    assert "boom" in str(grounding.reply.error)
    bench.pipeline.submit(frame(1100))
    bench.asked()
    assert bench.answer().grounding.outcome is Outcome.OK


def test_a_raising_listener_does_not_stop_the_worker() -> None:
    model, heard = GatedModel(), threading.Event()

    def listener(answer: Answer) -> None:
        if answer.grounding.stamp_ns == 1100 * MS:
            heard.set()
        raise RuntimeError("a publisher failed")

    pipeline = Pipeline(model, PerceptionSettings().updated({"query": "tote"}), listener)
    pipeline.start()
    for stamp_ms in (1000, 1100):
        pipeline.submit(frame(stamp_ms))
        model.asked.get(timeout=PATIENCE_S)
        model.replies.put(Reply(BOX))
    assert heard.wait(PATIENCE_S)
    assert pipeline.stop(PATIENCE_S)


def test_stop_in_the_middle_of_an_answer(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000))
    bench.asked()
    assert bench.stop()
    assert bench.model.cancelled.is_set()
    assert bench.answers.empty()


def test_while_disabled_only_requests_are_answered(bench: GatedBench) -> None:
    bench.pipeline.enabled = False
    bench.pipeline.submit(frame(1000))
    with pytest.raises(queue.Empty):
        bench.model.asked.get(timeout=0.2)
    bench.model.replies.put(Reply(BOX))
    assert bench.pipeline.request_answer().result(PATIENCE_S).grounding.stamp_ns == 1000 * MS
    bench.asked()
    bench.pipeline.enabled = True
    bench.pipeline.submit(frame(1100))
    assert bench.asked()[0].stamp_ns == 1100 * MS


def test_a_request_needs_a_frame_and_waits_for_its_answer(bench: GatedBench) -> None:
    with pytest.raises(UserError, match="no camera frame"):
        bench.pipeline.request_answer()
    bench.pipeline.submit(frame(1000))
    with pytest.raises(FutureTimeout):
        bench.pipeline.request_answer().result(0.1)


def test_on_demand_asks_only_when_told() -> None:
    bench = GatedBench(**{"trigger.mode": "on_demand"})
    bench.pipeline.submit(frame(1000))
    with pytest.raises(queue.Empty):
        bench.model.asked.get(timeout=0.2)
    bench.model.replies.put(Reply("[]"))
    assert bench.pipeline.request_answer().result(PATIENCE_S).grounding.outcome is Outcome.EMPTY
    assert bench.stop()


def test_rate_skips_frames_that_come_too_soon() -> None:
    bench = GatedBench(**{"trigger.mode": "rate", "trigger.max_rate_hz": 2.0})
    bench.pipeline.submit(frame(1000))
    bench.asked()
    bench.answer()
    bench.pipeline.submit(frame(1400))
    with pytest.raises(queue.Empty):
        bench.model.asked.get(timeout=0.2)
    bench.pipeline.submit(frame(1500))
    assert bench.asked()[0].stamp_ns == 1500 * MS
    assert bench.stop()


def test_two_cameras_take_turns() -> None:
    bench, order = GatedBench(**{"trigger.max_batch": 1}), []
    for stamp_ms in range(1000, 1400, 100):
        for camera in ("left", "right"):
            bench.pipeline.submit(frame(stamp_ms, camera))
    for _ in range(4):
        order.append(bench.asked()[0].camera)
        bench.answer()
        for camera in ("left", "right"):
            bench.pipeline.submit(frame(2000 + 100 * len(order), camera))
    assert order.count("left") == order.count("right") == 2
    assert bench.stop()


def test_cameras_that_wait_are_asked_about_together(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000, "a"))
    bench.asked()
    for stamp_ms, camera in ((9, "c"), (2000, "a"), (500, "b"), (10, "c"), (1, "d"), (7, "e")):
        bench.pipeline.submit(frame(stamp_ms, camera))
    bench.answer()
    asked = [bench.asked()[0] for _ in range(4)]  # max_batch
    assert [each.camera for each in asked] == ["c", "a", "b", "d"]
    assert asked[0].stamp_ns == 10 * MS  # the newest one, in the place of the one before
    bench.model.replies.put(Reply(BOX))
    answers = [bench.answers.get(timeout=PATIENCE_S) for _ in range(4)]
    assert [each.grounding.camera for each in answers] == ["c", "a", "b", "d"]
    assert bench.asked()[0].camera == "e"
    bench.answer("[]")
    assert bench.model.batches == [["a"], ["c", "a", "b", "d"], ["e"]]
    lanes = bench.pipeline.status().lanes
    assert {name: sum(lane.outcomes.values()) for name, lane in lanes.items()} == {
        "a": 2, "b": 1, "c": 1, "d": 1, "e": 1,
    }  # fmt: skip
    assert (lanes["c"].frames, lanes["c"].superseded, lanes["e"].outcomes) == (2, 1, {"empty": 1})
    assert all(lane.longest_wait_s > 0 for lane in lanes.values())
    status = bench.pipeline.status()
    assert (status.frames, status.outcomes) == (7, {"ok": 5, "empty": 1})


def test_a_batch_that_fails_is_an_error_of_each_camera(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000, "a"))
    bench.asked()
    for camera in ("a", "b"):
        bench.pipeline.submit(frame(1100, camera))
    bench.answer()
    bench.model.replies.put(RuntimeError("boom"))
    failed = [bench.answers.get(timeout=PATIENCE_S).grounding for _ in range(2)]
    assert [(each.camera, each.outcome) for each in failed] == [
        ("a", Outcome.ERROR),
        ("b", Outcome.ERROR),
    ]


def test_another_model_takes_over_after_the_answer_under_way(bench: GatedBench) -> None:
    old, new = bench.model, GatedModel()
    bench.pipeline.submit(frame(1000))
    bench.asked()
    bench.pipeline.swap_model(new, old.close)
    assert not old.closed.is_set()
    (track,) = bench.answer().applied.ids
    assert old.closed.wait(PATIENCE_S)
    bench.pipeline.submit(frame(1100))
    new.asked.get(timeout=PATIENCE_S)
    new.replies.put(Reply(BOX))
    assert bench.answers.get(timeout=PATIENCE_S).applied.ids == (track,)
    assert bench.model.asked.empty()
    bench.pipeline.swap_model(old, new.close)  # nothing is under way: at once
    assert new.closed.wait(PATIENCE_S)


def test_status_tells_busy_and_age(bench: GatedBench) -> None:
    assert bench.pipeline.status().answer_age_s is None
    bench.pipeline.submit(frame(1000))
    bench.asked()
    time.sleep(0.02)
    assert bench.pipeline.status().busy_s > 0
    bench.answer()
    assert bench.pipeline.status().answer_age_s is not None


def test_the_model_is_told_what_to_expect(bench: GatedBench) -> None:
    """The previous answer of this camera to these words, where the tracker sees the object now."""
    left, right = (
        json.dumps([{"label": "tote", "bbox": [x, 0.25, x + 0.25, 0.75]}]) for x in (0.25, 0.28)
    )
    for stamp_ms, text in ((1000, left), (1100, right), (1200, right)):
        bench.pipeline.submit(frame(stamp_ms))
        bench.asked()
        bench.answer(text)
    first, second, third = bench.model.hints
    assert first is None
    assert second is not None
    assert second.text == left
    np.testing.assert_allclose(second.boxes, [[0.25, 0.25, 0.5, 0.75]], atol=0.01)
    assert third is not None
    assert third.text == right
    assert third.boxes[0, 0] > 0.27
    bench.pipeline.submit(frame(1300, "other camera"))
    bench.asked()
    bench.answer()
    changed = bench.pipeline.settings.updated({"query": "red cone"})
    bench.pipeline.reconfigure(changed)
    bench.pipeline.submit(frame(1300))
    bench.asked()
    bench.answer()
    assert bench.model.hints[3:] == [None, None]


def test_drafts_can_be_switched_off() -> None:
    bench = GatedBench(**{"generation.draft": "none"})
    for stamp_ms in (1000, 1100):
        bench.pipeline.submit(frame(stamp_ms))
        bench.asked()
        bench.answer()
    assert bench.model.hints == [None, None]
    assert bench.stop()
