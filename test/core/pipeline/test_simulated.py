# SPDX-License-Identifier: Apache-2.0
"""In simulated time the pipeline does what it does with threads and a clock."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from ...waiting import PATIENCE_S

PERIOD_NS = 100_000_000
# Without pixels: how many points are followed depends on the machine in the real pipeline.
SETTINGS = PerceptionSettings(query="box").updated({"tracker.bridge": "predict"})


def frames(count: int) -> list[Frame]:
    pixels = np.zeros((100, 200, 3), np.uint8)
    return [Frame(pixels, (i + 1) * PERIOD_NS, "lens") for i in range(count)]


def model() -> ReplayModel:
    texts = [
        f'[{{"label": "box", "bbox": [{0.1 + i / 50:.2f}, 0.2, {0.3 + i / 50:.2f}, 0.6]}}]'
        for i in range(30)
    ]
    texts[7], texts[8] = "I see nothing special 12", "[]"
    return ReplayModel([RecordedReply(Reply(text), 0.0, (i + 1) * PERIOD_NS)
                        for i, text in enumerate(texts)])  # fmt: skip


def seen(tracks: Tracks) -> tuple[list[int], list[list[float]]]:
    return tracks.ids.tolist(), tracks.xyxy_px.round(6).tolist()


def test_tracks_are_those_of_the_pipeline_with_threads() -> None:
    """Each answer comes before the next frame: the one order of events that both can have."""
    real = Pipeline(model(), SETTINGS.updated({"trigger.mode": "on_demand"}))
    real.start()
    expected, outcomes = [], []
    try:
        for frame in frames(25):
            expected.append(seen(real.submit(frame)))
            outcomes.append(real.request_answer().result(PATIENCE_S).grounding.outcome)
    finally:
        assert real.stop(PATIENCE_S)
    answers: list[Answer] = []
    simulated = SimulatedPipeline(
        model(), SETTINGS, lambda _: 0.05, lambda answer, _: answers.append(answer)
    )
    found = [seen(simulated.submit(frame, Verdict.NEWER, frame.stamp_ns)) for frame in frames(25)]
    simulated.finish()
    assert found == expected
    assert [answer.grounding.outcome for answer in answers] == outcomes
    assert any(ids for ids, _ in found)


def test_while_the_model_is_busy_the_newest_frame_waits() -> None:
    answers: list[tuple[int, int]] = []
    simulated = SimulatedPipeline(
        model(), SETTINGS, lambda _: 0.25,
        lambda answer, at_ns: answers.append((answer.grounding.stamp_ns, at_ns)),
    )  # fmt: skip
    for frame in frames(8):
        simulated.submit(frame, Verdict.NEWER, frame.stamp_ns)
    simulated.finish()
    # Asked at 100 ms, answered at 350; then about the frame of 300 ms, answered at 600 ...
    milliseconds = [(stamp // 10**6, at // 10**6) for stamp, at in answers]
    assert milliseconds == [(100, 350), (300, 600), (500, 850)]


def test_the_trigger_is_kept() -> None:
    answers: list[int] = []
    settings = SETTINGS.updated({"trigger.mode": "rate", "trigger.max_rate_hz": 2.0})
    simulated = SimulatedPipeline(
        model(),
        settings,
        lambda _: 0.0,
        lambda answer, _: answers.append(answer.grounding.stamp_ns),
    )
    for frame in frames(16):
        simulated.submit(frame, Verdict.NEWER, frame.stamp_ns)
    assert [stamp // 10**6 for stamp in answers] == [100, 600, 1100, 1600]


def test_a_follower_that_cannot_be_used_is_refused_as_by_the_node() -> None:
    """Figures of a replay would otherwise be those of optical flow, without a word."""
    settings = SETTINGS.updated({"tracker.follower": "/nowhere/nets"})
    with pytest.raises(UserError, match="/nowhere/nets"):
        SimulatedPipeline(model(), settings, None, lambda _answer, _at_ns: None)
