# SPDX-License-Identifier: Apache-2.0
"""Which reported events are right, in films of boxes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from lfmvl_ros.core.rules import RuleEngine, parse_rules
from lfmvl_ros.core.tracking import Tracks, TrackState

from ..benchmark_modules import load_benchmark

LONG = 90  # frames
HERE, NEAR, AWAY = (200, 250, 240, 350), (210, 250, 250, 350), (590, 250, 630, 350)
RULES = """
rules:
  enter: {when: enter, label: person, zone: floor, lost_s: 0.2}
  count: {when: count, label: person, zone: floor, above: 1}
"""
Boxes = dict[int, tuple[int, ...]]


@pytest.fixture(scope="module")
def score_module() -> ModuleType:
    return load_benchmark("rules_score")


def tracks(number: int, boxes: Boxes) -> Tracks:
    n = len(boxes)
    return Tracks(
        round(number * 1e9 / 15) + 1,
        np.array(list(boxes), dtype=np.int64),
        ("person",) * n,
        np.full(n, 0.9),
        np.array(list(boxes.values()), dtype=np.float64).reshape(n, 4),
        np.zeros((n, 2)),
        np.tile(np.eye(4), (n, 1, 1)),
        (TrackState.CONFIRMED,) * n,
        np.ones(n),
        wh=(640, 480),
        existence=dict.fromkeys(boxes, 0.99),
    )


def score(module: ModuleType, shown: list[Boxes], people: Boxes, rule: str = "enter") -> object:
    """Return a rule's score where ``people`` stand still and ``shown`` are the tracks."""
    zone = f"zones: {{floor: {{image: {load_benchmark('rules_truth').ZONE.tolist()}}}}}"
    film, engine, events = module.Film(), RuleEngine(parse_rules(zone + RULES)), []
    for number, boxes in enumerate(shown):
        film.steps.append((tracks(number, boxes), []))
        events += engine.observe(film.steps[-1][0])
    for key, box in people.items():
        film.people[key] = np.tile(np.array([*box, 1.0]), (len(shown), 1))
    found = module.Score()
    found.add(film, events, rule)
    return found


def test_one_event_for_each_person_is_right(score_module: ModuleType) -> None:
    found = score(score_module, [{1: HERE, 2: AWAY}] * LONG, {7: HERE, 8: AWAY})
    assert (found.must, found.found, found.events, found.right) == (1, 1, 1, 1)
    assert found.delays_s == [0.0]


def test_one_box_on_two_people_finds_one_of_them(score_module: ModuleType) -> None:
    found = score(score_module, [{1: HERE}] * LONG, {7: HERE, 8: NEAR})
    assert (found.must, found.found, found.events, found.right) == (2, 1, 1, 1)


def test_two_boxes_on_one_person_are_one_event_too_many(score_module: ModuleType) -> None:
    found = score(score_module, [{1: HERE, 2: NEAR}] * LONG, {7: HERE})
    assert (found.found, found.events, found.right, found.doubled) == (1, 2, 1, 1)


def test_two_boxes_on_two_people_in_one_line_find_both(score_module: ModuleType) -> None:
    """Both boxes are on both people, and nearest to the same one."""
    shown = [{1: HERE, 2: (202, 250, 242, 350)}] * LONG
    found = score(score_module, shown, {7: HERE, 8: NEAR})
    assert (found.found, found.right, found.doubled) == (2, 2, 0)


def test_a_box_on_nobody_is_wrong(score_module: ModuleType) -> None:
    found = score(score_module, [{1: HERE, 3: (300, 350, 340, 450)}] * LONG, {7: HERE})
    assert (found.found, found.events, found.right) == (1, 2, 1)


def test_whom_a_track_is_on_is_not_decided_by_one_frame(score_module: ModuleType) -> None:
    """In the frame of its begin, the box is still where another person stands."""
    shown = [{1: HERE}] * 40 + [{1: HERE, 2: HERE}] + [{1: HERE, 2: (350, 250, 390, 350)}] * LONG
    found = score(score_module, shown, {7: HERE, 8: (350, 250, 390, 350)})
    assert (found.must, found.found, found.right, found.doubled) == (2, 2, 2, 0)
    assert max(found.delays_s) == pytest.approx(40 / 15)


def test_an_event_that_ends_and_begins_again_in_one_stay_is_doubled(
    score_module: ModuleType,
) -> None:
    shown = [{1: HERE}] * 30 + [{1: AWAY}] * 20 + [{1: HERE}] * 30
    found = score(score_module, shown, {7: HERE})
    assert (found.found, found.events, found.right, found.doubled) == (1, 2, 1, 1)


def test_a_count_is_of_the_scene(score_module: ModuleType) -> None:
    found = score(score_module, [{1: HERE, 2: NEAR}] * LONG, {7: HERE, 8: NEAR}, "count")
    assert (found.must, found.found, found.events, found.right) == (1, 1, 1, 1)
    alone = score(score_module, [{1: HERE, 2: NEAR}] * LONG, {7: HERE}, "count")
    assert (alone.must, alone.events, alone.right) == (0, 1, 0)


def test_who_is_cut_off_below_the_image_is_in_the_zone(score_module: ModuleType) -> None:
    """As it is for the rules: docs/rules.md."""
    found = score(score_module, [{1: (300, 250, 340, 480)}] * LONG, {7: (300, 250, 340, 640)})
    assert (found.must, found.found, found.right) == (1, 1, 1)
    beside = score(score_module, [], {}), score(score_module, [{}] * LONG, {7: (0, 250, 20, 640)})
    assert [one.must for one in beside] == [0, 0]
