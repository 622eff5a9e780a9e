# SPDX-License-Identifier: Apache-2.0
"""Who waits longest is asked about first: no camera starves, whatever rates, clocks and batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings, TriggerSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.pipeline.lane import Lane
from lfmvl_ros.core.pipeline.lanes import longest_waiting
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.timeline import Verdict

from ...examples import examples

PIXELS = np.zeros((2, 3, 3), np.uint8)


def arrive(lane: Lane, now: int, stamp_ns: int) -> None:
    epoch = lane.arrive(stamp_ns, math.inf)
    lane.hand_over(Frame(PIXELS, stamp_ns), now, epoch)


@examples(200)
@given(
    periods=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    clocks=st.lists(st.integers(0, 10**15), min_size=8, max_size=8),
    batch=st.integers(1, 4),
    answer=st.integers(1, 50),
)
def test_nobody_waits_for_more_than_the_calls_it_takes_to_serve_everybody(
    periods: list[int], clocks: list[int], batch: int, answer: int
) -> None:
    trigger = TriggerSettings(max_batch=batch)
    lanes = [Lane(TrackerSettings()) for _ in periods]
    served = [0] * len(lanes)
    free_at, calls_waited = 0, [0] * len(lanes)
    for now in range(1, 1500):
        for lane, period, clock in zip(lanes, periods, clocks, strict=False):
            if now % period == 0:
                arrive(lane, now, clock + now)
        if now < free_at:
            continue
        chosen = longest_waiting(lanes, trigger, True)
        assert len(chosen) <= batch
        for index, lane in enumerate(lanes):
            if lane in chosen:
                lane.take(now)
                served[index] += 1
                calls_waited[index] = 0
            elif lane.waits_since_ns is not None:
                calls_waited[index] += 1
                assert calls_waited[index] < math.ceil(len(lanes) / batch)
        if chosen:
            free_at = now + answer
    # What one camera leaves unused, others may have; nobody gets less than both allow.
    round_time = answer * math.ceil(len(lanes) / batch)
    for count, period in zip(served, periods, strict=True):
        assert count >= 1500 // (round_time + period) - 2


def test_first_come_first_served_and_a_newer_frame_keeps_the_place() -> None:
    early, late = Lane(TrackerSettings()), Lane(TrackerSettings())
    trigger = TriggerSettings()
    arrive(early, 10, stamp_ns=500)
    arrive(late, 11, stamp_ns=1)
    arrive(early, 12, stamp_ns=600)
    assert longest_waiting([late, early], trigger, True) == [early, late]
    assert early.take(20).frame.stamp_ns == 600
    assert longest_waiting([late, early], trigger, True) == [late]
    assert early.status(20).longest_wait_s == 10e-9


def test_rate_and_pause_hold_back_all_but_requests() -> None:
    lane, slow = Lane(TrackerSettings()), TriggerSettings(mode="rate", max_rate_hz=1.0)
    arrive(lane, 1, stamp_ns=10**9)
    assert not longest_waiting([lane], slow, False)
    lane.take(2)
    arrive(lane, 3, stamp_ns=10**9 + 1)
    assert not longest_waiting([lane], slow, True)
    future = lane.request(4)
    assert longest_waiting([lane], slow, False) == [lane]
    assert lane.take(5).requests == (future,)


def test_a_frame_from_before_time_started_again_is_not_handed_over() -> None:
    lane = Lane(TrackerSettings())
    epoch = lane.arrive(10**12, 0.0)
    lane.arrive(5, 0.0)
    lane.hand_over(Frame(PIXELS, 10**12), 1, epoch)
    assert lane.latest is None
    assert lane.status(0).restarts == 1


def test_a_frame_out_of_order_does_not_take_the_place_of_the_newest() -> None:
    lane = Lane(TrackerSettings())
    arrive(lane, 1, stamp_ns=200)
    for now, stamp_ns in ((2, 150), (3, 200)):
        arrive(lane, now, stamp_ns)
    assert lane.take(4).frame.stamp_ns == 200
    assert lane.status(4).superseded == 0
    assert lane.status(4).frames == 3


def test_a_verdict_from_outside_is_what_counts() -> None:
    lane = Lane(TrackerSettings())
    assert lane.arrive(10**12, 1e9, Verdict.NEWER) == 0
    assert lane.arrive(10**12 - 5, 1e9, Verdict.RESTARTED) == 1  # not by a threshold of its own
    assert lane.arrive(10**12 - 4, 1e9) == 1  # and its own timeline has followed
    assert lane.arrive(10**12 - 6, 1e9, Verdict.OUT_OF_ORDER) is None
    assert lane.status(0).restarts == 1


def test_requests_are_refused_with_the_reason() -> None:
    lane = Lane(TrackerSettings())
    future = lane.request(1)
    lane.refuse_requests("stopped")
    with pytest.raises(UserError, match="stopped"):
        future.result(0)


def test_what_was_seen_before_time_started_again_is_not_looked_up() -> None:
    lane = Lane(TrackerSettings())
    frame = Frame(PIXELS, 10**12)
    epoch = lane.arrive(frame.stamp_ns, 0.0)
    lane.tracker.observe(frame)
    lane.hand_over(frame, 1, epoch)
    job = lane.take(2)
    assert job.last_seen() is None  # no answer yet
    grounding = parse_reply(
        Reply('[{"label": "x", "bbox": [0, 0, 1, 1]}]'),
        frame=frame,
        prompt=Prompt("x", Query.parse("x")),
    )
    lane.answered = answer = Answer(grounding, lane.apply(job, grounding, 3), 1)
    lane.tracker.catch_up()
    seen = job.last_seen()
    assert seen is not None
    assert seen[0] is answer
    assert seen[1].stamp_ns == frame.stamp_ns
    assert len(seen[1]) == 1
    lane.arrive(5, 0.0)
    assert job.last_seen() is None
    assert len(lane.tracker._bridge) == 0
