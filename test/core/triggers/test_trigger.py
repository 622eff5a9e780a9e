# SPDX-License-Identifier: Apache-2.0
"""When each mode asks, and that what was not asked is not held against tracks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings, TriggerSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

PERIOD_NS = 100_000_000
BOX = Reply('[{"label": "box", "bbox": [0.3, 0.3, 0.6, 0.7]}]')
NONE = Reply("[]")
_NOISE = np.random.default_rng(0).integers(0, 200, (12, 16, 3)).astype(np.uint8)


def image(shift: int = 0) -> np.ndarray:
    blocks = np.kron(_NOISE, np.ones((10, 10, 1), np.uint8))
    return np.ascontiguousarray(np.roll(blocks, shift, axis=1))


@dataclass
class World:
    """A pipeline in simulated time with a camera of 10 Hz; an answer takes 0.1 s."""

    replies: list[Reply]
    changes: dict[str, object]
    asked_ms: list[int] = field(default_factory=list)
    frames: int = 0

    def __post_init__(self) -> None:
        replies = [RecordedReply(reply, 0.0) for reply in self.replies]
        settings = PerceptionSettings(query="box").updated(self.changes)
        self.pipeline = SimulatedPipeline(
            ReplayModel(replies), settings, lambda _: 0.1, self._on_answer
        )

    def _on_answer(self, answer: Answer, _at_ns: int) -> None:
        self.asked_ms.append(answer.grounding.stamp_ns // 10**6)

    def run(self, seconds: float, *, moving: bool = False) -> Tracks:
        """Let time pass; return the tracks at the last frame."""
        for _ in range(round(seconds * 10)):
            self.frames += 1
            frame = Frame(image(3 * self.frames if moving else 0), self.frames * PERIOD_NS)
            tracks = self.pipeline.submit(frame, Verdict.NEWER, frame.stamp_ns)
        return tracks

    def asked(self) -> list[int]:
        """Return the stamps of the frames that were answered since the last call, ms."""
        found, self.asked_ms = self.asked_ms, []
        return found


def world(mode: str, replies: list[Reply] | None = None, **changes: object) -> World:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return World(replies or [BOX] * 300, {"trigger.mode": mode, **named})


def test_motion_asks_at_first_when_something_moves_and_now_and_then() -> None:
    here = world("motion", trigger__burst=2, trigger__at_least_every_s=5.0)
    here.run(4.0)
    assert here.asked() == [100, 200]
    here.run(0.5, moving=True)
    assert here.asked()[0] == 4100, "the first frame that has changed"
    here.run(4.0)
    settled = here.asked()
    assert settled
    assert settled[-1] <= 5000
    here.run(3.0)
    (again,) = here.asked()
    assert again - settled[-1] == 5000
    assert here.pipeline.skipped > 90


def test_motion_asks_at_its_own_rate_and_tracks_do_not_rest_between() -> None:
    here = world("motion", trigger__moving_rate_hz=2.0, trigger__at_least_every_s=1000.0)
    here.run(4.0)
    assert here.asked() == [100, 600, 1100], "a burst"
    assert here.pipeline.skipped == 28
    tracks = here.run(3.0, moving=True)
    assert here.asked() == [*range(4100, 7000, 500)]
    assert here.pipeline.skipped == 29, "the last one before; none of these was slept through"
    assert len(tracks) == 1
    here.run(3.0)
    assert len(here.asked()) == 3, "a burst after the image has come to rest"


def test_slow_motion_adds_up() -> None:
    here = world("motion", trigger__burst=1, trigger__at_least_every_s=1000.0)
    here.run(1.0)
    here.asked()
    for step in range(80):
        here.frames += 1
        wide = np.repeat(np.repeat(image(), 8, axis=1), 8, axis=0)[:480, step : step + 640]
        frame = Frame(np.ascontiguousarray(wide), here.frames * PERIOD_NS)
        here.pipeline.submit(frame, Verdict.NEWER, frame.stamp_ns)
    assert 3 <= len(here.asked()) < 80


def test_duty_cycle_asks_in_its_window_and_at_least_a_burst() -> None:
    here = world("duty_cycle", trigger__duty_on_s=0.5, trigger__duty_every_s=4.0)
    here.run(8.0)
    assert here.asked() == [*range(100, 600, 100), *range(4100, 4600, 100)]
    short = world("duty_cycle", trigger__duty_on_s=0.01, trigger__duty_every_s=4.0)
    short.run(8.0)
    assert short.asked() == [100, 200, 300, 4100, 4200, 4300]


def test_on_demand_asks_a_burst_when_woken() -> None:
    here = world("on_demand", trigger__burst=3)
    here.run(2.0)
    assert here.asked() == []
    here.pipeline.wake()
    here.run(2.0)
    assert here.asked() == [2100, 2200, 2300]


@pytest.mark.parametrize("mode", ["continuous", "rate"])
def test_modes_without_sleep_skip_nothing(mode: str) -> None:
    here = world(mode)
    here.run(3.0)
    here.pipeline.wake()
    here.run(3.0)
    assert here.pipeline.skipped == 0
    assert len(here.asked()) == {"continuous": 59, "rate": 12}[mode]


@pytest.mark.parametrize("bridge", ["flow", "predict"])
def test_tracks_stay_confirmed_while_nothing_moves(bridge: str) -> None:
    here = world("motion", trigger__at_least_every_s=600.0, tracker__bridge=bridge)
    before = here.run(2.0)
    after = here.run(60.0)
    assert len(here.asked()) == 3
    assert after.ids.tolist() == before.ids.tolist() == [1]
    assert after.state == (TrackState.CONFIRMED,)
    assert after.scores[0] >= 0.99 * before.scores[0]
    np.testing.assert_allclose(after.xyxy_px, before.xyxy_px, atol=2.0)
    sides_px = np.sqrt(np.diag(after.covariance[0])[:2])
    assert (sides_px < 5.0).all(), f"a box at rest stays where it is, got {sides_px}"


def test_without_asking_a_track_of_a_duty_cycle_coasts_and_lives() -> None:
    here = world("duty_cycle", trigger__duty_every_s=30.0)
    here.run(2.0)
    tracks = here.run(27.0)
    assert tracks.ids.tolist() == [1]
    assert tracks.state == (TrackState.COASTING,)
    back = here.run(4.0)
    assert back.ids.tolist() == [1]
    assert here.asked()[-1] > 30_000


def test_asked_and_not_found_ends_a_track_as_fast_as_ever() -> None:
    """The same answers in the same time, before a pause and after one."""
    replies = [BOX] * 3 + [NONE] * 100
    here = world("motion", replies, trigger__at_least_every_s=600.0)
    assert len(here.run(20.0)) == 1
    assert len(here.run(0.9, moving=True)) == 0


def test_tracks_on_demand_are_held_for_a_while() -> None:
    here = world("on_demand", trigger__hold_tracks_s=10.0)
    here.run(0.1)
    here.pipeline.wake()
    here.run(1.0)
    assert len(here.run(9.0)) == 1
    assert len(here.run(5.0)) == 0


def test_a_pause_is_no_interval_between_answers() -> None:
    """Looks 10 s apart are no reason to let a track coast for 30 s once something moves."""
    here = world("motion", [BOX] * 5 + [Reply("I do not know")] * 100, trigger__burst=1)
    assert len(here.run(45.0)) == 1
    assert len(here.asked()) == 5
    assert len(here.run(6.0, moving=True)) == 0
    assert len(here.asked()) > 20


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError, match="duty_on_s"):
        TriggerSettings(mode="duty_cycle", duty_on_s=5.0, duty_every_s=2.0)
