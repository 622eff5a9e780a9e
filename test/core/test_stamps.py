# SPDX-License-Identifier: Apache-2.0
"""A stamp is an integer of nanoseconds, wherever one enters tracking and places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.transforms import TransformBuffer
from lfmvl_ros.core.tracking import EgoMotion, Intrinsics, Opinion, Stance, Tracker, Tracks

NOW_NS = 1_700_000_000_123_456_789  # a float of it is 21 ns off
STILL = [0.0, 0.0, 0.0, 1.0]
DEPTH = np.ones((4, 4), np.float32)


def tree() -> TransformBuffer:
    buffer = TransformBuffer()
    buffer.add("map", "camera", NOW_NS, [0, 0, 0], STILL, static=True)
    return buffer


def turning() -> EgoMotion:
    lens = Intrinsics(500.0, 500.0, 320.0, 240.0)
    return EgoMotion(lens).with_rates([NOW_NS - 10**8, NOW_NS + 10**8], np.zeros((2, 3)))


def answer(stamp_ns: int) -> Grounding:
    query, reply = Query("person"), Reply("[]")
    return Grounding(Outcome.EMPTY, Detections.empty(), stamp_ns, "", "", (640, 480), query, reply)


ENTRIES: dict[str, Callable[[int], object]] = {
    "Frame": lambda t: Frame(np.zeros((4, 4, 3), np.uint8), t),
    "Grounding": answer,
    "Tracks": Tracks,
    "Opinion": lambda t: Opinion(1, "person", Stance.AGREE, t),
    "Tracker.at": lambda t: Tracker().at(t),
    "Tracker.pause, start": lambda t: Tracker().pause(t, NOW_NS + 1, still=True),
    "Tracker.pause, end": lambda t: Tracker().pause(0, t, still=True),
    "EgoMotion.with_rate": lambda t: turning().with_rate(t, [0.0, 0.0, 0.0]),
    "EgoMotion.knows": lambda t: turning().knows(t),
    "EgoMotion.rotation, start": lambda t: turning().rotation(t, NOW_NS + 1),
    "EgoMotion.rotation, end": lambda t: turning().rotation(0, t),
    "DepthImage": lambda t: DepthImage(DEPTH, t),
    "DepthImage.from_m": lambda t: DepthImage.from_m(DEPTH, t),
    "Places": lambda t: Places(t, "map"),
    "TransformBuffer.add": lambda t: tree().add("map", "tool", t, [0, 0, 0], STILL),
    "TransformBuffer.lookup": lambda t: tree().lookup("map", "camera", t),
}
entries = pytest.mark.parametrize("enter", ENTRIES.values(), ids=list(ENTRIES))


@entries
@given(
    st.one_of(
        st.floats(),
        st.booleans(),
        st.sampled_from([None, "1", 1j, [1], np.float64(1), np.float32(1), np.bool_(True)]),
    )
)
def test_what_is_no_integer_is_refused(enter: Callable[[object], object], stamp: object) -> None:
    with pytest.raises(ValueError, match=r"integer|must be|three finite numbers"):
        enter(stamp)


@entries
@given(st.integers(0, 2**63 - 1 - 10**12))
def test_an_integer_is_taken(enter: Callable[[int], object], stamp_ns: int) -> None:
    enter(stamp_ns)


@pytest.mark.parametrize("enter", [v for k, v in ENTRIES.items() if "Ego" not in k])
def test_an_integer_of_numpy_is_refused_by_name(enter: Callable[[object], object]) -> None:
    with pytest.raises(ValueError, match=r"an int, got .*\(int64\)"):
        enter(np.int64(NOW_NS))


def test_stamps_of_rates_may_be_an_array_of_integers_and_of_nothing_else() -> None:
    rates = np.zeros((2, 3))
    ego = turning().with_rates(np.array([NOW_NS, NOW_NS + 5]), rates)
    assert ego.stamps_ns.tolist()[-2:] == [NOW_NS, NOW_NS + 5]
    assert turning().with_rates([], np.zeros((0, 3))).stamps_ns.size == 2
    for stamps in ([[1, 2]], [NOW_NS, NOW_NS + 5.0], [True, False], ["1", "2"], [2**63, 2**63 + 1]):
        with pytest.raises(ValueError, match="must be integer nanoseconds"):
            turning().with_rates(stamps, rates)
