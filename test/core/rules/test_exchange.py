# SPDX-License-Identifier: Apache-2.0
"""Goods exchanged in place: rules see that one object has gone and another has come."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules import EventState, RuleEngine, parse_rules
from lfmvl_ros.core.tracking import Tracker

RULES = """
zones: {shelf: {image: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
rules:
  gone: {when: vanish, label: red tote}
  new: {when: appear, label: blue tote}
  red: {when: enter, label: red tote, zone: shelf, point: centre}
  blue: {when: enter, label: blue tote, zone: shelf, point: centre}
"""


def one_box(time_s: float, label: str) -> Grounding:
    found = Detections(
        np.array([[300.0, 200, 380, 260]]), (label,), np.array([0.95]), np.full((1, 4), 2.0)
    )
    return Grounding(
        outcome=Outcome.OK,
        detections=found,
        stamp_ns=round(time_s * 1e9),
        frame_id="camera",
        camera="",
        wh=(640, 480),
        query=Query.parse("red tote, blue tote"),
        reply=Reply(""),
    )


def test_an_exchange_is_one_object_gone_and_another_come() -> None:
    tracker, engine = Tracker(TrackerSettings(bridge="predict")), RuleEngine(parse_rules(RULES))
    events = []
    for i in range(28):
        grounding = one_box(i / 4, "red tote" if i < 12 else "blue tote")
        engine.answer(Answer(grounding, tracker.apply(grounding), 0))
        for part in range(3):
            events += engine.observe(tracker.at(round((i + part / 3) / 4 * 1e9)))
    happened = [
        (event.rule, event.state, event.tracks[0].id, event.tracks[0].label)
        for event in events
        if event.state in (EventState.BEGIN, EventState.END)
    ]
    begun = [(rule, *what) for rule, state, *what in happened if state is EventState.BEGIN]
    assert begun[0] == ("red", 1, "red tote")
    assert set(begun[1:]) == {
        ("gone", 1, "red tote"), ("new", 2, "blue tote"), ("blue", 2, "blue tote"),
    }  # fmt: skip
    assert ("red", EventState.END, 1, "red tote") in happened
