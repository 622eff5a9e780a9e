# SPDX-License-Identifier: Apache-2.0
"""The latency budget in the pipeline: a model whose time follows from what it is asked with."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lfmvl_ros.cli import track
from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.latency.budget import Because
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer

from ...waiting import PATIENCE_S
from .metered import MeteredModel

VGA = np.zeros((480, 640, 3), np.uint8)


class Bench:
    def __init__(self, model: MeteredModel, **changes: object) -> None:
        self.model, self.stamp_ms = model, 1000
        self.answers: queue.Queue[Answer] = queue.Queue()
        settings = PerceptionSettings().updated({"query": "tote", **changes})
        self.pipeline = Pipeline(model, settings, self.answers.put)
        self.started = False

    def run(self, count: int, *cameras: str) -> Answer:
        """Ask ``count`` times about each camera, one after the other."""
        for _ in range(count):
            self.stamp_ms += 100
            for name in cameras or ("",):
                self.pipeline.submit(Frame(VGA, self.stamp_ms * 1_000_000, "lens", name))
            if not self.started:  # the first frames of all cameras wait for it together
                self.pipeline.start()
                self.started = True
            for _ in cameras or ("",):
                answer = self.answers.get(timeout=PATIENCE_S)
        return answer


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(model: MeteredModel | None = None, **changes: object) -> Bench:
        made.append(Bench(model or MeteredModel(), **changes))
        return made[-1]

    yield make
    for one in made:
        assert one.pipeline.stop(PATIENCE_S)


TARGET = "image.target_latency_ms"


def test_the_model_is_asked_with_what_was_chosen_and_the_answer_says_so(bench) -> None:
    world = bench(**{TARGET: 150.0})
    answer = world.run(25)
    choice = answer.grounding.budget
    assert choice.because is Because.FITS
    assert 90 <= choice.rung.tokens <= 130
    assert world.model.asked[0].max_tokens < 50  # from the cheapest up
    assert world.model.asked[-1].max_tokens == choice.rung.settings.max_tokens
    assert answer.grounding.reply.image_tokens == choice.rung.tokens
    document = answer.grounding.to_dict()["latency_budget"]
    assert document["target_ms"] == 150.0
    assert document["likely_ms"] == pytest.approx(answer.grounding.reply.times.total_s * 1e3, 0.1)


def test_without_a_target_everything_is_as_set(bench) -> None:
    world = bench(**{"image.max_tokens": 100})
    answer = world.run(3)
    assert answer.grounding.budget is None
    assert answer.grounding.to_dict()["latency_budget"] is None
    assert world.model.asked == [ImageSettings(max_tokens=100)] * 3


def test_the_users_own_limits_hold(bench) -> None:
    world = bench(**{TARGET: 10_000.0, "image.max_tokens": 100, "image.min_tokens": 60})
    answer = world.run(15)
    assert answer.grounding.budget.because is Because.ALL
    assert all(60 <= image.max_tokens <= 100 for image in world.model.asked)
    world = bench(**{TARGET: 1.0, "image.max_tokens": 100, "image.min_tokens": 60})
    answer = world.run(15)
    assert answer.grounding.budget.because is Because.CHEAPEST
    assert answer.grounding.reply.image_tokens >= 60


def test_a_target_set_at_run_time_counts_from_the_next_answer(bench) -> None:
    world = bench(**{TARGET: 10_000.0})
    full = world.run(15).grounding.reply.image_tokens
    world.pipeline.reconfigure(world.pipeline.settings.updated({TARGET: 150.0}))
    assert world.run(1).grounding.reply.image_tokens < full
    world.pipeline.reconfigure(world.pipeline.settings.updated({TARGET: 0.0}))
    answer = world.run(1)
    assert (answer.grounding.budget, answer.grounding.reply.image_tokens) == (None, full)


def test_a_slower_machine_gets_fewer_tokens(bench) -> None:
    world = bench(**{TARGET: 150.0})
    before = world.run(25).grounding.reply.image_tokens
    world.model.slower = 3.0
    assert world.run(8).grounding.reply.image_tokens < 0.7 * before


@pytest.mark.parametrize("own", [None, "raises"])
def test_a_model_that_does_not_say_what_images_cost_is_asked_as_set(bench, own) -> None:
    model = MeteredModel(None)
    if own == "raises":
        model.image_rules = None
        model.ground = lambda frames, prompts, **_: [Reply("[]")] * len(frames)
    world = bench(model, **{TARGET: 150.0})
    answer = world.run(3)
    assert answer.grounding.outcome.value == "empty"
    assert answer.grounding.budget is None


def test_a_video_keeps_a_target_too() -> None:
    settings = PerceptionSettings().updated(
        {"query": "tote", TARGET: 150.0, "trigger.mode": "on_demand"}
    )
    pipeline = Pipeline(MeteredModel(), settings, lambda _: None)
    pipeline.start()
    run, documents = track.Run(pipeline), []
    for i in range(25):
        pipeline.submit(Frame(VGA, i * 250_000_000 + 1))
        documents.append(run.ask().grounding.to_dict())
    assert pipeline.stop(PATIENCE_S)
    assert documents[0]["latency_budget"]["because"] == "unmeasured"
    assert documents[-1]["image_tokens"] == documents[-1]["latency_budget"]["image_tokens"] > 90
    assert documents[-1]["timing"]["total_ms"] <= 150


def test_another_model_starts_anew(bench) -> None:
    world = bench(**{TARGET: 10_000.0})
    world.run(15)
    other = MeteredModel()
    other.name = "other"
    world.pipeline.swap_model(other, lambda: None)
    assert world.run(1).grounding.budget.because is Because.UNMEASURED
    assert other.asked[0].max_tokens < 50


def test_cameras_asked_about_together_share_the_target(bench) -> None:
    world = bench(**{TARGET: 300.0, "trigger.max_batch": 2})
    answer = world.run(30, "left", "right")
    choice = answer.grounding.budget
    assert 2 in world.model.batches
    assert len(world.pipeline._budget._streams) <= 3  # left, right, two together
    if world.model.batches[-1] == 2:  # both were waiting when the model was free
        assert choice.rung.tokens == 2 * answer.grounding.reply.image_tokens
    assert answer.grounding.reply.times.total_s <= 0.33
