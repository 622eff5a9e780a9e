# SPDX-License-Identifier: Apache-2.0
"""Rules over positions in metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lfmvl_ros.core.rules import Positions, RuleEngine, parse_rules
from lfmvl_ros.core.spatial.places import PickPoint, Place, Places

from .scenes import IN, OUT, Object, S, tracks


def place(x: float, y: float, sigma_m: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x, y, 0.5]), np.eye(3) * sigma_m**2


METRES = "zones: {dock: {frame: map, metres: [[0, 0], [2, 0], [2, 2], [0, 2]]}}\n"


def test_zones_in_metres_take_positions_in_their_frame() -> None:
    engine = RuleEngine(parse_rules(METRES + "rules: {r: {when: enter, zone: dock}}"))
    frame = [Object(1, IN), Object(2, OUT)]
    where = {1: place(1, 1), 2: place(5, 5)}
    assert engine.observe(tracks(1.0, frame)) == []
    assert engine.status().unplaced == ("r",)
    assert engine.observe(tracks(1.1, frame), Positions(S, "odom", where)) == []
    assert engine.status().unplaced == ("r",)
    (begun,) = engine.observe(tracks(1.2, frame), Positions(round(1.15 * S), "map", where))
    assert [track.id for track in begun.tracks] == [1]
    assert begun.tracks[0].position_m == (1.0, 1.0, 0.5)
    assert engine.status().unplaced == ()


def test_old_positions_are_none() -> None:
    engine = RuleEngine(parse_rules(METRES + "rules: {r: {when: enter, zone: dock}}"))
    old = Positions(S, "map", {1: place(1, 1)})
    assert engine.observe(tracks(9.0, [Object(1, IN)]), old) == []


def test_distance_between_two_labels() -> None:
    text = "rules: {r: {when: approach, label: person, to: forklift, distance_m: 2.0}}"
    engine = RuleEngine(parse_rules(text))
    frame = [Object(1, IN), Object(2, OUT, label="forklift"), Object(3, 0.5)]
    where = {1: place(0, 0), 2: place(5, 0), 3: place(1, 0)}
    assert engine.observe(tracks(1.0, frame), Positions(S, "map", where)) == []
    (begun,) = engine.observe(
        tracks(1.1, frame), Positions(round(1.1 * S), "map", {**where, 2: place(1.9, 0, 0.2)})
    )
    assert [track.id for track in begun.tracks] == [3, 2]  # person 1, at 1.9 m, is doubtful
    assert (begun.value, begun.unit) == (pytest.approx(0.9), "m")


def test_speed_in_metres() -> None:
    engine = RuleEngine(parse_rules("rules: {r: {when: speed, above_m_s: 1.0, over_s: 0.5}}"))
    events = []
    for number in range(30):
        t = 1 + number / 20
        found = {1: place(1.5 * t, 0, 0.02), 2: place(0.5 * t, 5, 0.02)}
        positions = Positions(round(t * S), "map", found)
        events += engine.observe(tracks(t, [Object(1, IN), Object(2, OUT)]), positions)
    assert [[track.id for track in event.tracks] for event in events[:1]] == [[1]]
    assert events[0].value == pytest.approx(1.5, rel=0.02)


PICK = "rules: {r: {when: enter, zone: dock, where: pick_sigma_m < 0.02 and normal_sigma_deg < 10}}"


def test_a_condition_on_the_pick_pose() -> None:
    """A track without one is infinitely uncertain: it is not below a limit, but above it."""
    engine = RuleEngine(parse_rules(METRES + PICK))
    doubtful = RuleEngine(parse_rules(METRES + PICK.replace("<", ">=").replace(" and ", " or ")))
    frame, where = [Object(1, IN)], {1: place(1, 1)}
    known = {
        1.1: {},
        1.2: {1: (0.03, 0.1)},
        1.3: {1: (0.01, 0.3)},
        1.4: {1: (0.01, 0.1)},
    }
    found = []
    for time_s, picks in known.items():
        positions = Positions(round(time_s * S), "map", where, picks)
        found += [(time_s, "ready") for e in engine.observe(tracks(time_s, frame), positions)]
        found += [(time_s, "doubt") for e in doubtful.observe(tracks(time_s, frame), positions)]
    assert found == [(1.1, "doubt"), (1.4, "ready")]


def test_positions_of_places_carry_their_pick_sigmas() -> None:
    pick = PickPoint(np.zeros(3), np.diag([1e-4, 4e-4, 1e-4]), np.array([0.0, 0.0, 1.0]), 0.1)
    bare = Place(np.zeros(3), np.eye(3), np.zeros(3), np.eye(3), np.ones(3))
    found = Positions.of(Places(S, "map", {1: bare, 2: replace(bare, pick=pick)}))
    assert (found.stamp_ns, found.frame_id, set(found.by_id)) == (S, "map", {1, 2})
    assert found.picks == {2: (pytest.approx(0.02), 0.1)}
