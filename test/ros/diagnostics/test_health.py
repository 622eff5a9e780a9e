# SPDX-License-Identifier: Apache-2.0
"""Levels and messages of the diagnostics, from counters alone."""

import mmap
from dataclasses import replace

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.budget import Because, Choice
from lfmvl_ros.core.latency.ladder import ladder
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer, LaneStatus, PipelineStatus
from lfmvl_ros.core.tracking import Applied
from lfmvl_ros.ros.diagnostics.health import (
    ERROR,
    OK,
    WARN,
    CameraMonitor,
    ModelMonitor,
    ModelSwap,
    resident_mb,
)
from lfmvl_ros.ros.sensors.arrivals import ArrivalStatus
from lfmvl_ros.ros.sensors.intake import IntakeStatus

SETTINGS = PerceptionSettings()


def intake(received=0, silent_s=None, problem="", **dropped):
    good = received - sum(dropped.values())
    return IntakeStatus(received, good, dropped, silent_s, 0, problem, (640, 480))


def pipeline(frames=0, *, enabled=True, busy_s=0.0, age_s=None, **outcomes):
    query = Query.parse("person")
    return PipelineStatus(frames, outcomes, 0, 0, {}, query, enabled, busy_s, age_s)


class Monitor:
    """Both monitors of a node with one camera."""

    def __init__(self, topic, started_s, camera=""):
        self.camera = CameraMonitor(topic, started_s, camera)
        self.model = ModelMonitor(started_s)


def report(monitor, camera, model, now_s, settings=SETTINGS, answer=None):
    first = monitor.camera.report(camera, model, settings, now_s)
    second = monitor.model.report(model, settings, answer, now_s)
    assert second.part == "model"
    return first, second


def test_camera_waiting_silent_and_back():
    monitor = Monitor("image_raw", 100.0)
    camera, _ = report(monitor, intake(), pipeline(), 100.5)
    assert (camera.level, camera.message) == (OK, "waiting for the first image on image_raw")
    camera, _ = report(monitor, intake(), pipeline(), 101.5)
    assert (camera.level, camera.message) == (WARN, "no image yet on image_raw")
    camera, _ = report(monitor, intake(30, 0.01), pipeline(30), 102.5)
    assert (camera.level, camera.values["rate_hz"]) == (OK, "30.00")
    camera, _ = report(monitor, intake(30, 1.2), pipeline(30), 103.5)
    assert (camera.level, camera.message) == (WARN, "no image for 1.2 s on image_raw")
    camera, _ = report(monitor, intake(40, 0.1), pipeline(40), 104.5)
    assert camera.level == OK


def test_images_without_contrast_are_a_warning():
    monitor = CameraMonitor("image_raw", 100.0)
    flat = [(30, 30), (60, 60), (90, 61), (90, 61), (120, 91)]  # all, all, some, none came, all
    levels = []
    for second, (frames, without) in enumerate(flat):
        seen = replace(intake(frames, 0.01), without_contrast=without)
        levels.append(monitor.report(seen, pipeline(), SETTINGS, 101.0 + second))
    assert [camera.level for camera in levels] == [WARN, WARN, OK, OK, WARN]
    assert "no contrast" in levels[0].message
    assert levels[-1].values["without_contrast"] == 91


def test_images_that_all_get_lost_are_no_silent_camera():
    monitor = CameraMonitor("image_raw", 100.0)
    for second in range(1, 4):
        lost = ArrivalStatus(lost=30 * second)
        camera = monitor.report(intake(), pipeline(), SETTINGS, 100.0 + second, lost)
    assert camera.level == WARN
    assert camera.message == (
        "no image yet on image_raw; 90 of 90 images were lost on the way; "
        "`lfmvl doctor --topic image_raw` finds the reason"
    )


def test_broken_images_warn_once_and_superseded_ones_do_not():
    monitor = Monitor("image_raw", 0.0)
    camera, _ = report(monitor, intake(9, 0.1, "short", corrupt=2, superseded=3), pipeline(4), 1.0)
    assert (camera.level, camera.message) == (WARN, "images dropped: 2 corrupt; short")
    camera, _ = report(monitor, intake(12, 0.1, "short", corrupt=2, superseded=6), pipeline(4), 2.0)
    assert camera.level == OK
    assert camera.values["dropped.corrupt"] == 2
    assert camera.values["dropped.superseded"] == 6


def test_overdue_answers():
    monitor = Monitor("image_raw", 0.0)
    for now_s, level in ((1.0, OK), (5.9, OK), (6.1, WARN)):
        _, model = report(monitor, intake(9, 0.1), pipeline(9, busy_s=now_s), now_s)
        assert model.level == level
    assert model.message == "no answer for 5.1 s; the current one has taken 6.1 s so far"
    _, model = report(monitor, intake(9, 0.1), pipeline(9, age_s=0.0, ok=1), 7.0)
    assert model.level == OK
    _, model = report(monitor, intake(9, 0.1), pipeline(9, age_s=5.2, ok=1), 12.0)
    assert model.level == WARN


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"trigger.mode": "on_demand"}, OK),
        ({"trigger.mode": "rate", "trigger.max_rate_hz": 0.01}, OK),
        ({"trigger.mode": "rate", "trigger.max_rate_hz": 1.0}, WARN),
        ({"diagnostics.answer_stale_s": 60.0}, OK),
        ({}, WARN),
    ],
)
def test_overdue_follows_the_trigger(changes, level):
    settings, monitor = SETTINGS.updated(changes), Monitor("image_raw", 0.0)
    report(monitor, intake(9, 0.1), pipeline(9), 1.0, settings)
    _, model = report(monitor, intake(9, 0.1), pipeline(9), 30.0, settings)
    assert model.level == level


def test_a_trigger_that_sleeps_is_no_fault():
    monitor, settings = Monitor("image_raw", 0.0), SETTINGS.updated({"trigger.mode": "motion"})

    def lane(asleep, awake_s, age_s):
        return LaneStatus(9, {}, 0, 0, {}, age_s, skipped=7, asleep=asleep, awake_s=awake_s)

    report(monitor, intake(9, 0.1), pipeline(9), 1.0, settings)
    asleep = replace(pipeline(9, age_s=60.0), lanes={"": lane("motion", 0.0, 60.0)}, skipped=7)
    _, model = report(monitor, intake(9, 0.1), asleep, 60.0, settings)
    assert (model.level, model.message) == (OK, "sleeping: motion trigger")
    assert model.values["frames_skipped_asleep"] == 7
    just_woken = replace(asleep, lanes={"": lane("", 0.5, 60.0)})
    _, model = report(monitor, intake(9, 0.1), just_woken, 61.0, settings)
    assert (model.level, model.message) == (OK, "0.0 answers per second")
    silent = replace(asleep, lanes={"": lane("", 5.5, 66.0)})
    _, model = report(monitor, intake(9, 0.1), silent, 66.0, settings)
    assert (model.level, model.message) == (WARN, "no answer for 5.5 s")


@pytest.mark.parametrize(("awake_s", "level"), [(0.0, OK), (9.0, WARN)])
def test_one_of_several_cameras_may_sleep(awake_s, level):
    monitor = Monitor("front/image_raw", 0.0, "front")
    settings = SETTINGS.updated({"trigger.mode": "motion"})
    lanes = {
        "front": LaneStatus(9, {}, 0, 0, {}, 60.0, asleep="" if awake_s else "motion",
                            awake_s=awake_s),
        "left": LaneStatus(9, {}, 0, 0, {}, 0.1, awake_s=60.0),
    }  # fmt: skip
    now = replace(pipeline(9, age_s=0.1), lanes=lanes)
    report(monitor, intake(9, 0.1), now, 1.0, settings)
    camera, model = report(monitor, intake(19, 0.1), now, 60.0, settings)
    assert (camera.level, model.level) == (level, OK)
    assert "sleeping" not in model.message


def test_a_limit_of_heat_is_reported_with_its_number():
    monitor, reason = Monitor("image_raw", 0.0), "no answers: 90.0 C, limits.stop_above_c is 85"
    now = replace(pipeline(9, age_s=60.0), restraint=reason)
    report(monitor, intake(9, 0.1), now, 1.0)
    _, model = report(monitor, intake(9, 0.1), now, 60.0)
    assert (model.level, model.message) == (WARN, reason)


def test_paused_is_no_fault():
    monitor = Monitor("image_raw", 0.0)
    report(monitor, intake(9, 0.1), pipeline(9), 1.0)
    _, model = report(monitor, intake(9, 0.1), pipeline(9, enabled=False), 60.0)
    assert (model.level, model.message) == (OK, "paused by the service enable")


def test_failing_and_useless_answers():
    monitor = Monitor("image_raw", 0.0)
    now = replace(pipeline(1, age_s=0.1, error=1), error="CUDA")
    _, model = report(monitor, intake(), now, 1.0)
    assert (model.level, model.message) == (ERROR, "the model fails: CUDA")
    _, model = report(monitor, intake(), pipeline(1, age_s=0.1, error=1, unparseable=2), 2.0)
    assert (model.level, model.message) == (WARN, "no usable answer: 2 unparseable")
    now = pipeline(1, age_s=0.1, error=1, unparseable=3, ok=1)
    _, model = report(monitor, intake(), now, 3.0)
    assert (model.level, model.values["rate_hz"]) == (OK, "2.00")
    assert model.values["outcome.unparseable"] == 3
    assert model.values["outcome.timeout"] == 0


def test_a_model_that_does_not_return_is_an_error_even_when_paused():
    monitor = Monitor("image_raw", 0.0)
    for enabled in (True, False):
        now = replace(pipeline(9, enabled=enabled, timeout=1), stalls=1, stalled_s=17.0)
        _, model = report(monitor, intake(9, 0.1), now, 20.0)
        assert model.level == ERROR
        assert "has not returned for 17.0 s" in model.message
        assert "configure and activate it" in model.message
        assert model.values["stalls"] == 1


def test_one_camera_of_several_is_not_answered():
    front, left = Monitor("front/image_raw", 0.0, "front"), Monitor("left/image_raw", 0.0, "left")

    def status(now_s):
        lanes = {
            "front": LaneStatus(9, {"ok": int(now_s)}, 2, 1, {}, answer_age_s=0.1),
            "left": LaneStatus(9, {}, 3, 0, {}, answer_age_s=None, longest_wait_s=now_s),
        }
        return replace(pipeline(18, age_s=0.1, ok=int(now_s)), lanes=lanes)

    for now_s, level in ((1.0, OK), (5.0, OK), (6.5, WARN)):
        camera, model = report(front, intake(9, 0.1), status(now_s), now_s)
        assert (camera.part, camera.level, model.level) == ("camera front", OK, OK)
        camera, _ = report(left, intake(9, 0.1), status(now_s), now_s)
        assert (camera.part, camera.level) == ("camera left", level)
    assert camera.message == "no answer about this camera for 5.5 s"
    assert (camera.values["answers"], camera.values["longest_wait_s"]) == (0, "6.50")
    camera, _ = report(front, intake(9, 0.1), status(8.5), 8.5)
    assert (camera.values["answers"], camera.values["answers_hz"]) == (8, "1.00")
    paused = replace(status(9.0), enabled=False)
    camera, _ = report(left, intake(9, 0.1), paused, 9.0)
    assert camera.level == OK


def test_a_model_swap_is_reported():
    monitor = ModelMonitor(0.0)
    now = replace(pipeline(9, age_s=0.1, ok=9), model="old")
    health = monitor.report(now, SETTINGS, None, 1.0, ModelSwap(loading="new"))
    assert (health.level, health.values["model"], health.values["loading"]) == (OK, "old", "new")
    health = monitor.report(now, SETTINGS, None, 2.0, ModelSwap(problem="new is damaged"))
    assert (health.level, health.message) == (WARN, "new is damaged")
    failing = replace(pipeline(9, age_s=0.1, ok=9, error=1), error="CUDA")
    health = monitor.report(failing, SETTINGS, None, 3.0, ModelSwap(problem="new is damaged"))
    assert (health.level, health.message) == (ERROR, "the model fails: CUDA")


def test_memory_is_that_of_this_process():
    before_mb = resident_mb()
    with mmap.mmap(-1, 50_000_000) as ballast:  # pages that no earlier test can have left behind
        ballast.write(b"x" * 50_000_000)
        assert 40 < resident_mb() - before_mb < 120


@pytest.mark.parametrize(("because", "level"), [(Because.FITS, OK), (Because.CHEAPEST, WARN)])
def test_a_latency_budget_that_cannot_be_kept_is_told(because, level):
    choice = Choice(ladder(((640, 480),), ImageTokenSettings())[0], 0.2, 0.35, 0.4, because)
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 1)
    prompt = CARD_TEMPLATE.render(Query.parse("person"))
    grounding = replace(parse_reply(Reply("[]"), frame=frame, prompt=prompt), budget=choice)
    answer = Answer(grounding, Applied(1, ()), 1)
    counters = pipeline(9, age_s=0.1, empty=1)
    _, model = report(Monitor("image_raw", 0.0), intake(9, 0.1), counters, 1.0, answer=answer)
    assert model.level == level
    assert model.values["latency_budget.likely_ms"] == 400.0
    assert model.values["latency_budget.because"] == because.value
    if level == WARN:
        assert "up to 400 ms" in model.message
        assert "image.target_latency_ms (200)" in model.message
