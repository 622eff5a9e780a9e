# SPDX-License-Identifier: Apache-2.0
"""Model calls that do not return: told once, in time; the worker goes on when they do return."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.pipeline import watchdog
from lfmvl_ros.core.pipeline.watchdog import Watchdog
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt, PromptTemplate
from lfmvl_ros.core.reply import Reply

from ...waiting import PATIENCE_S, until
from .gated import BOX, Bench


class DeafModel:
    """Does what the test tells it, and hears neither deadline nor cancellation."""

    name = "deaf"
    template: PromptTemplate = CARD_TEMPLATE

    def __init__(self) -> None:
        self.coordinates = CoordinateScale()
        self.asked: queue.Queue[Frame] = queue.Queue()
        self.replies: queue.Queue[str | BaseException] = queue.Queue()

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,
        cancelled: Callable[[], bool] = lambda: False,
        **_later: object,
    ) -> list[Reply]:
        self.asked.put(frames[0])
        reply = self.replies.get(timeout=PATIENCE_S)
        if isinstance(reply, BaseException):
            raise reply
        return [Reply(reply)]

    def close(self) -> None:
        pass


class DeafBench(Bench[DeafModel]):
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(DeafModel(), generation__timeout_s=0.1)
        self._monkeypatch, self.stamp_ns = monkeypatch, 0

    def tolerate(self, seconds: float = PATIENCE_S) -> None:
        """Let calls that begin from now on take that much longer than they should."""
        self._monkeypatch.setattr(watchdog, "_SLACK_S", seconds)

    def ask(self) -> None:
        self.stamp_ns += 10**8
        self.pipeline.submit(Frame(np.zeros((48, 64, 3), np.uint8), self.stamp_ns, "lens"))
        assert self.model.asked.get(timeout=PATIENCE_S).stamp_ns == self.stamp_ns


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeafBench]:
    bench = DeafBench(monkeypatch)
    bench.tolerate(0.1)
    yield bench
    bench.model.replies.put(BOX)  # whatever still waits
    assert bench.stop()


def test_a_stalled_call_is_a_timeout_and_its_late_answer_does_not_count(bench: DeafBench) -> None:
    bench.ask()
    answer = bench.next_answer()
    assert answer.grounding.outcome is Outcome.TIMEOUT
    assert answer.grounding.stamp_ns == bench.stamp_ns
    assert "the model has not returned after " in answer.grounding.rejected[0]
    status = bench.pipeline.status()
    assert (status.stalls, status.outcomes) == (1, {"timeout": 1})
    assert status.stalled_s >= 0.2

    bench.tolerate()
    bench.model.replies.put(BOX)  # it returns after all
    bench.ask()
    assert bench.pipeline.status().stalled_s == 0
    bench.model.replies.put(BOX)
    assert bench.next_answer().grounding.outcome is Outcome.OK
    assert bench.pipeline.status().outcomes == {"timeout": 1, "ok": 1}
    assert bench.answers.empty()


def test_while_a_call_is_stalled_tracks_go_on_and_no_thread_is_added(bench: DeafBench) -> None:
    bench.ask()
    bench.next_answer()
    before = threading.active_count()
    for _ in range(50):
        bench.stamp_ns += 10**8
        bench.pipeline.submit(Frame(np.zeros((48, 64, 3), np.uint8), bench.stamp_ns, "lens"))
    assert threading.active_count() <= before
    assert bench.pipeline.status().stalls == 1
    assert bench.answers.empty()
    assert bench.model.asked.empty()


def test_a_request_is_answered_although_the_model_is_stuck(bench: DeafBench) -> None:
    bench.pipeline.enabled = False
    bench.stamp_ns += 10**8
    bench.pipeline.submit(Frame(np.zeros((48, 64, 3), np.uint8), bench.stamp_ns, "lens"))
    answer = bench.pipeline.request_answer().result(PATIENCE_S)
    assert answer.grounding.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "out of memory; lower image.max_tokens"),
        (RuntimeError("CUDA error:\n  illegal access"), "RuntimeError: CUDA error: illegal access"),
        (SystemExit(3), "SystemExit: 3"),
        (RuntimeError("x" * 5000), "RuntimeError: xxx"),
    ],
    ids=["memory", "lines", "exit", "long"],
)
def test_whatever_a_backend_raises_is_an_error_and_the_worker_goes_on(
    bench: DeafBench, error: BaseException, says: str
) -> None:
    bench.tolerate()
    bench.ask()
    bench.model.replies.put(error)
    grounding = bench.next_answer().grounding
    assert grounding.outcome is Outcome.ERROR
    assert str(grounding.reply.error).startswith(says)
    assert len(str(grounding.reply.error)) < 400
    bench.ask()
    bench.model.replies.put(BOX)
    assert bench.next_answer().grounding.outcome is Outcome.OK


def test_a_pipeline_whose_model_is_still_stuck_does_not_start_again(bench: DeafBench) -> None:
    """Two threads in one model would be worse than none."""
    bench.ask()
    bench.next_answer()
    assert not bench.pipeline.stop(timeout_s=0.1)
    with pytest.raises(RuntimeError, match="has not returned"):
        bench.pipeline.start()
    bench.model.replies.put(BOX)
    until(lambda: not bench.pipeline.status().busy_s)
    bench.tolerate()
    bench.pipeline.start()
    bench.ask()
    bench.model.replies.put(BOX)
    assert bench.next_answer().grounding.outcome is Outcome.OK


def test_each_call_is_settled_once_whoever_comes_first() -> None:
    """Calls that end at about their limit: each is either in time or stalled, never both."""
    dog, stalled = Watchdog(), []
    dog.start()
    in_time = 0
    for i in range(200):
        call = dog.begin(0.002, lambda after_s, n=i: stalled.append((n, after_s)))
        time.sleep(0.0015 + 0.001 * (i % 2))
        in_time += dog.end(call)
    dog.stop(PATIENCE_S)
    assert in_time + len(stalled) == 200
    assert len({n for n, _ in stalled}) == len(stalled) == dog.stalls
    assert all(after_s >= 0.002 for _, after_s in stalled)
    assert dog.stalled_s == 0


def test_a_listener_that_raises_does_not_end_the_watch() -> None:
    dog, failed, told = Watchdog(), threading.Event(), threading.Event()
    dog.start()

    def fails(_after_s: float) -> None:
        failed.set()
        raise RuntimeError("no publisher")

    call = dog.begin(0.01, fails)
    assert failed.wait(PATIENCE_S)
    assert not dog.end(call)
    dog.begin(0.01, lambda _: told.set())
    assert told.wait(PATIENCE_S)
    dog.stop(PATIENCE_S)
