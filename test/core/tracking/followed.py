# SPDX-License-Identifier: Apache-2.0
"""What the tests of the tracker share: one box that is followed, and results compared."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.tracking import Tracker, Tracks

MakeAnswer = Callable[..., Grounding]
BOX = [400.0, 300.0, 60.0, 120.0]
UNREADABLE = (Outcome.UNPARSEABLE, Outcome.TIMEOUT, Outcome.ERROR)


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


def same(a: Tracks, b: Tracks) -> None:
    """Assert that two results agree in everything, to the last bit."""
    assert json.dumps(a.to_dict()) == json.dumps(b.to_dict())
    for name in ("xyxy_px", "scores", "velocity_px_s", "covariance"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def established(answer: MakeAnswer, rate_hz: float = 4.0, count: int = 8) -> tuple[Tracker, float]:
    """Return a tracker that follows one box at rest, and the time of its last answer."""
    tracker = Tracker()
    for i in range(count):
        tracker.apply(answer(i / rate_hz, [BOX]))
    return tracker, (count - 1) / rate_hz
