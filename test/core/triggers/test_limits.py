# SPDX-License-Identifier: Apache-2.0
"""Heat and an empty battery slow the model down, stop it, and let it go with a margin."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.core.config import LimitSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline.lanes import Lanes
from lfmvl_ros.core.triggers.limits import Level, Limits, Restraint

HEAT = LimitSettings(slow_above_c=70.0, stop_above_c=85.0)
CHARGE = LimitSettings(slow_below_battery=0.3, stop_below_battery=0.1)


def test_heat_has_two_levels_and_a_margin() -> None:
    limits = Limits()
    levels = [
        limits.update(HEAT, at_c, None).level
        for at_c in (60, 69.9, 70, 66, 64.9, 84, 85, 81, 79.9, 66, 64)
    ]
    assert levels == [0, 0, 1, 1, 0, 1, 2, 2, 1, 1, 0]


def test_a_battery_has_two_levels_and_a_margin() -> None:
    limits = Limits()
    levels = [
        limits.update(CHARGE, None, share).level
        for share in (0.5, 0.31, 0.29, 0.31, 0.33, 0.1, 0.11, 0.13, 0.29)
    ]
    assert levels == [0, 0, 1, 1, 0, 2, 2, 1, 1]


def test_the_reason_has_the_number() -> None:
    limits = Limits()
    assert limits.update(HEAT, 71.25, None).reason == (
        "at most 0.5 answers per second: 71.2 C, limits.slow_above_c is 70"
    )
    assert limits.update(HEAT, 90.0, None).reason == (
        "no answers: 90.0 C, limits.stop_above_c is 85"
    )
    assert Limits().update(CHARGE, None, 0.05).reason == (
        "no answers: battery at 5%, limits.stop_below_battery is 0.1"
    )


@pytest.mark.parametrize("settings", [HEAT, CHARGE, LimitSettings()])
def test_what_is_not_known_limits_nothing(settings: LimitSettings) -> None:
    assert Limits().update(settings, None, None) == Restraint()
    assert Limits().update(LimitSettings(), 99.0, 0.0) == Restraint(), "all are off by default"


@pytest.mark.parametrize(
    "changes",
    [
        {"slow_above_c": 80.0, "stop_above_c": 70.0},
        {"slow_below_battery": 0.1, "stop_below_battery": 0.3},
    ],
)
def test_limits_in_the_wrong_order_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must not be"):
        LimitSettings(**changes)


@pytest.mark.parametrize("mode", ["continuous", "motion"])
def test_a_restraint_slows_and_stops_every_mode(mode: str) -> None:
    lanes = Lanes(PerceptionSettings().updated({"trigger.mode": mode}))
    rng, asked = np.random.default_rng(0), list[int]()

    def run(seconds: int, restraint: Restraint) -> int:
        lanes.restraint = restraint
        before = len(asked)
        for _ in range(10 * seconds):
            stamp_ns = (run.frames + 1) * 100_000_000  # type: ignore[attr-defined]
            run.frames += 1  # type: ignore[attr-defined]
            frame = Frame(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8), stamp_ns)
            lanes.hand_over(frame, stamp_ns, lanes.arrive(frame, None))
            with lanes.lock:
                asked.extend(job.frame.stamp_ns for job in lanes.take_jobs(stamp_ns))
        return len(asked) - before

    run.frames = 0  # type: ignore[attr-defined]
    assert run(10, Restraint()) == 100
    assert run(10, Restraint(Level.SLOW, "hot", 0.5)) in (5, 6)
    assert run(10, Restraint(Level.STOP, "hotter", 0.5)) == 0
    assert run(10, Restraint()) == 100
