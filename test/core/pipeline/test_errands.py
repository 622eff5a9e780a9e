# SPDX-License-Identifier: Apache-2.0
"""Other questions to the model, between the cameras' answers."""

from __future__ import annotations

import threading

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline.errands import MOST_WAITING
from lfmvl_ros.core.reply import FinishReason, Reply

from ...waiting import PATIENCE_S
from .gated import GatedBench, frame


@pytest.fixture
def bench():
    made = GatedBench()
    yield made
    made.stop()


def test_errands_and_cameras_take_turns(bench):
    """However many errands wait, each camera's frame is answered in between."""
    order = []

    def ask(_model, _settings, _cancelled):
        order.append("errand")
        return Reply("words")

    bench.pipeline.submit(frame(0))
    bench.asked()  # the worker is busy now
    futures = [bench.pipeline.request_reply(ask) for _ in range(3)]
    for number in range(1, 4):
        bench.pipeline.submit(frame(number))
        order.append("camera")
        bench.answer()
        bench.asked()
    bench.answer()
    assert [future.result(PATIENCE_S).text for future in futures] == ["words"] * 3
    assert order == ["camera", "errand"] * 3


def test_an_errand_is_done_while_no_camera_sends(bench):
    assert (
        bench.pipeline.request_reply(lambda *_: Reply("alone")).result(PATIENCE_S).text == "alone"
    )


def test_what_an_errand_raises_is_its_reply(bench):
    def fail(*_):
        raise RuntimeError("no device")

    assert bench.pipeline.request_reply(fail).result(PATIENCE_S).error == "RuntimeError: no device"
    bench.pipeline.submit(frame(0))
    bench.asked()
    bench.answer()


def test_a_cancelled_errand_is_left_out_or_told(bench):
    begun, told = threading.Event(), threading.Event()

    def wait(_model, _settings, cancelled):
        begun.set()
        while not cancelled():
            pass
        told.set()
        return Reply("", finish=FinishReason.DEADLINE)

    first = bench.pipeline.request_reply(wait)
    never = bench.pipeline.request_reply(lambda *_: pytest.fail("it was cancelled"))
    assert begun.wait(PATIENCE_S)
    assert never.cancel()
    assert first.cancel()
    assert told.wait(PATIENCE_S)
    assert bench.pipeline.request_reply(lambda *_: Reply("next")).result(PATIENCE_S).text == "next"


def test_too_many_are_refused_and_a_stop_tells_those_who_wait(bench):
    bench.pipeline.submit(frame(0))
    bench.asked()
    futures = [bench.pipeline.request_reply(lambda *_: Reply("")) for _ in range(MOST_WAITING)]
    with pytest.raises(UserError, match="wait for the model"):
        bench.pipeline.request_reply(lambda *_: Reply(""))
    bench.stop()
    for future in futures:
        with pytest.raises(UserError, match="has stopped"):
            future.result(PATIENCE_S)
    with pytest.raises(UserError, match="not running"):
        bench.pipeline.request_reply(lambda *_: Reply(""))
    assert not bench.pipeline.running


def test_a_model_that_does_not_return_is_given_up(monkeypatch):
    from lfmvl_ros.core.pipeline import watchdog

    monkeypatch.setattr(watchdog, "_SLACK_S", 0.1)
    bench, returned = GatedBench(generation__timeout_s=0.1), threading.Event()

    def hang(*_):
        returned.wait(PATIENCE_S)
        return Reply("too late")

    reply = bench.pipeline.request_reply(hang).result(PATIENCE_S)
    assert reply.finish is FinishReason.DEADLINE
    assert bench.pipeline.status().stalls == 1
    monkeypatch.setattr(watchdog, "_SLACK_S", PATIENCE_S)
    returned.set()
    assert bench.pipeline.request_reply(lambda *_: Reply("next")).result(PATIENCE_S).text == "next"
    bench.stop()


def test_the_newest_frame(bench):
    with pytest.raises(UserError, match="no camera frame"):
        bench.pipeline.newest_frame()
    bench.pipeline.submit(frame(5))
    assert bench.pipeline.newest_frame().stamp_ns == 5_000_000
