# SPDX-License-Identifier: Apache-2.0
"""Tracks that come, go and change their order between frames that are compared."""

from __future__ import annotations

import numpy as np
import pytest

from lfmvl_ros.core.rules.history import MomentHistory
from lfmvl_ros.core.tracking import TrackState

from .scenes import WH, Object, Run, tracks

SPEED_PX_S, RATE_HZ = 100.0, 20.0
FAST = "rules: {r: {when: speed, label: person, above_px_s: 50, over_s: 0.5}}"


def test_a_speed_is_that_of_its_track_whatever_its_row_is() -> None:
    run, rng = Run(FAST), np.random.default_rng(0)
    for frame in range(60):
        moving = Object(7, 0.1 + frame * SPEED_PX_S / RATE_HZ / WH[0])
        others = [Object(key, 0.1 * key) for key in (1, 2, 8, 9) if rng.random() < 0.7]
        shown = [moving, *others]
        rng.shuffle(shown)
        run.frames(1, shown, rate_hz=RATE_HZ)
    assert {track.id for event in run.events for track in event.tracks} == {7}
    assert [event.value for event in run.events] == pytest.approx([SPEED_PX_S] * len(run.events))
    assert len(run.events) >= 2  # the begin, and an update each second


def test_a_roster_is_kept_until_an_id_a_label_or_a_state_changes() -> None:
    history, one = MomentHistory(), [Object(1, 0.5), Object(2, 0.7)]
    kept = history.roster_of(tracks(1.0, one))
    assert history.roster_of(tracks(1.1, [Object(1, 0.2), Object(2, 0.7)])) is kept
    for changed in (
        [Object(1, 0.5), Object(3, 0.7)],
        [Object(1, 0.5), Object(3, 0.7, label="forklift")],
        [Object(1, 0.5), Object(3, 0.7, label="forklift", state=TrackState.COASTING)],
        [],
    ):
        new = history.roster_of(tracks(1.2, changed))
        assert new is not kept
        assert new.keys == tuple(o.label for o in changed)
        assert new.is_confirmed == [o.state is TrackState.CONFIRMED for o in changed]
        kept = new
