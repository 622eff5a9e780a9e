# SPDX-License-Identifier: Apache-2.0
"""The health of one camera's places, from counters alone."""

from __future__ import annotations

from lfmvl_ros.core.spatial.places import Refusal
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health
from lfmvl_ros.ros.sensors.place_data import Problem
from lfmvl_ros.ros.spatial.place_health import PlaceCounters, PlaceMonitor


def report(counters: PlaceCounters, monitor: PlaceMonitor | None = None) -> Health:
    return (monitor or PlaceMonitor()).report(
        counters, images=3, superseded=0, transforms=0, transforms_dropped=0, frame_id="map",
        selected=None,
    )  # fmt: skip


def test_an_image_without_depth_does_not_hide_why_the_others_have_no_position() -> None:
    counters = PlaceCounters()
    counters.places([], [Refusal.TOO_FEW_VALID, Refusal.TOO_FEW_VALID])
    assert report(counters).message == "no track has a position: 2 too_few_valid"
    counters.problem(Problem("no_depth", "none came"))
    health = report(counters)
    assert health.level == WARN
    assert health.message.startswith("no positions (no_depth): none came; of other images")
    assert health.message.endswith("2 too_few_valid")


def test_an_error_of_the_program_is_said_though_other_tracks_have_positions() -> None:
    counters = PlaceCounters()
    counters.add("placed", 5)
    counters.places([], [Refusal.FAILED])
    monitor = PlaceMonitor()
    health = report(counters, monitor)
    assert health.level == WARN
    assert health.message == (
        "an error of this program cost 1 x a track its position, see the log; "
        "5 positions were found"
    )
    assert health.values["refused.failed"] == 1
    assert report(counters, monitor).level == OK
