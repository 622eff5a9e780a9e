# SPDX-License-Identifier: Apache-2.0
"""Time that restarts while the pipeline runs: by a loop, a wrong stamp, or a caller's verdict."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lfmvl_ros.core.timeline import RUN, Verdict
from lfmvl_ros.core.tracking import Ignored

from .gated import MS, GatedBench, frame


@pytest.fixture
def bench() -> Iterator[GatedBench]:
    bench = GatedBench()
    yield bench
    assert bench.stop()


def test_stamps_that_jump_back_restart_the_tracker_at_once(bench: GatedBench) -> None:
    for stamp_ms in (600_000, 600_100):
        bench.pipeline.submit(frame(stamp_ms))
        bench.asked()
        (before,) = bench.answer().applied.ids
    assert len(bench.pipeline.submit(frame(1000))) == 0
    bench.asked()
    assert bench.answer().applied.ids != (before,)
    assert bench.pipeline.status().restarts == 1


def test_a_loop_shorter_than_the_window_restarts_with_its_fifth_frame(bench: GatedBench) -> None:
    bag_ms = range(1000, 2500, 100)
    for stamp_ms in bag_ms:
        bench.pipeline.submit(frame(stamp_ms))
        if stamp_ms == bag_ms[0]:
            bench.asked()
            (before,) = bench.answer().applied.ids
    bench.asked()  # and this answer is late
    for count, stamp_ms in enumerate(bag_ms, start=1):
        tracks = bench.pipeline.submit(frame(stamp_ms))
        assert tracks.stamp_ns == stamp_ms * MS
        assert bench.pipeline.status().restarts == int(count >= RUN)
    assert len(tracks) == 0
    late = bench.answer()
    assert (late.applied.ids, late.applied.ignored) == ((0,), Ignored.TOO_LATE)
    asked, _ = bench.asked()
    assert asked.stamp_ns == bag_ms[-1] * MS
    assert bench.answer().applied.ids != (before,)


def test_a_restart_that_the_caller_found_is_the_pipelines(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(1000), Verdict.NEWER)
    bench.asked()
    (before,) = bench.answer().applied.ids
    assert bench.pipeline.submit(frame(1100), Verdict.NEWER).ids.tolist() == [before]
    bench.asked()
    assert len(bench.pipeline.submit(frame(1050), Verdict.RESTARTED)) == 0
    assert bench.answer().applied.ignored is Ignored.TOO_LATE
    bench.asked()
    (after,) = bench.answer().applied.ids
    assert after > before
    assert bench.pipeline.submit(frame(1060), Verdict.NEWER).ids.tolist() == [after]


@pytest.mark.parametrize("ahead_ms", [1500, 3600_000, 10**12])
def test_one_frame_from_the_future_blocks_nothing(bench: GatedBench, ahead_ms: int) -> None:
    for stamp_ms in (1000, 1100):
        bench.pipeline.submit(frame(stamp_ms))
        bench.asked()
        bench.answer()
    bench.pipeline.submit(frame(1200 + ahead_ms))
    bench.asked()  # the model is busy with it
    for stamp_ms in range(1300, 2300, 100):
        bench.pipeline.submit(frame(stamp_ms))
    assert bench.pipeline.status().restarts == 1
    assert bench.answer().applied.ignored is Ignored.TOO_LATE
    asked, _ = bench.asked()
    assert asked.stamp_ns == 2200 * MS
    (track,) = bench.answer().applied.ids
    tracks = bench.pipeline.submit(frame(2300))
    assert tracks.ids.tolist() == [track]
    assert np.isfinite(tracks.covariance).all()


def test_an_answer_in_flight_across_a_loop_touches_no_track(bench: GatedBench) -> None:
    bench.pipeline.submit(frame(600_000))
    bench.asked()
    bench.pipeline.submit(frame(1000))
    answer = bench.answer()
    assert (answer.applied.ids, answer.applied.ignored) == ((0,), Ignored.TOO_LATE)
    bench.asked()
    assert bench.answer().applied.ids == (1,)
    assert bench.pipeline.status().restarts == 1
