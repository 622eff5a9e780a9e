# SPDX-License-Identifier: Apache-2.0
"""Flow against what answers say: the track stays with its object although most pixels leave it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.tracking import Tracker
from lfmvl_ros.core.tracking.hypotheses import FLOW, IMAGE, fused, weighed

MakeAnswer = Callable[..., Grounding]
WH, HZ = (640, 360), 25
BOX = [320.0, 180.0, 120.0, 160.0]


def ns(time_s: float) -> int:
    return round(time_s * 1e9)


def followed(time_s: float) -> Frame:
    """A camera follows a thin plain pole through a textured hall: most of its box is hall."""
    rng = np.random.default_rng(4)
    wall = cv2.GaussianBlur(rng.integers(0, 256, (WH[1], 1400), np.uint8), (0, 0), 2.0)
    wall = cv2.normalize(wall, None, 0, 255, cv2.NORM_MINMAX)
    left = 600 - round(220 * time_s)
    view = wall[:, left : left + WH[0]].copy()
    view[100:260, 314:326] = 90
    return Frame(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB), ns(time_s))


def test_box_stays_with_what_the_camera_follows(answer: MakeAnswer) -> None:
    tracker = Tracker(TrackerSettings(bridge_budget_ms=100.0))
    off = []
    for i in range(50):
        now = i / HZ
        if i % 6 == 0 and i:
            seen = now - 6 / HZ
            tracker.apply(answer(seen, [BOX], wh=WH, delay_s=6 / HZ))
        tracks = tracker.observe(followed(now))
        if now > 1.2:
            assert tracks.ids.tolist() == [1]
            centre = tracks.xyxy_px[0].reshape(2, 2).mean(axis=0)
            off.append(float(np.hypot(*(centre - BOX[:2]))))
    # The hall moves by 50 to 100 px in the time that an answer is late.
    assert max(off) < 25.0


def test_answers_move_the_odds_and_no_hypothesis_is_ever_ruled_out() -> None:
    neutral, against = weighed(np.zeros((1, 3))), weighed(np.array([[-3.0, 0.0, 3.0]]))
    assert neutral[0].argmax() == FLOW
    assert against[0].argmax() == IMAGE
    for weight in (neutral, against):
        assert (weight > 1e-4).all()
        np.testing.assert_allclose(weight.sum(), 1.0)


def test_published_covariance_holds_all_hypotheses_that_may_be_right(answer: MakeAnswer) -> None:
    tracker = Tracker(TrackerSettings(bridge_budget_ms=100.0))
    tracker.observe(followed(0.0))
    tracker.apply(answer(0.0, [BOX], wh=WH))
    for i in range(1, 8):
        tracker.observe(followed(i / HZ))
    table = tracker._bridge.observe(followed(7 / HZ), tracker.settings)
    assert table is not None
    both = fused(table)
    apart = table.alone_mean[0, 0, :2] - both.mean[0, :2]
    share = table.weight[0, 1] ** 2
    assert both.covariance[0, 0, 0] >= share * apart[0] ** 2
    assert (np.linalg.eigvalsh(both.covariance[0]) > 0).all()
