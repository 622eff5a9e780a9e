# SPDX-License-Identifier: Apache-2.0
"""Whatever comes, each event begins once and ends once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.rules import EndReason, EventState, parse_rules
from lfmvl_ros.core.tracking import TrackState

from ...examples import examples, scaled
from .scenes import ENTER, HALVES, IN, OUT, Object, Run, check_once, states

EVERYTHING = (
    HALVES
    + """
rules:
  enter: {when: enter, zone: left}
  leave: {when: leave, zone: left, hold_s: 0.3}
  dwell: {when: dwell, zone: left, for_s: 0.5, cool_down_s: 1}
  full: {when: count, above: 2}
  few: {when: count, label: person, below: 2}
  new: {when: appear, hold_s: 0.3, cool_down_s: 0.5}
  gone: {when: vanish, hold_s: 0.3}
  fast: {when: speed, above_px_s: 300}
  close: {when: approach, time_s: 2}
  empty: {when: missing, label: tote, zone: left}
"""
)


@examples(20)
@given(st.integers(0, 2**32 - 1))
def test_whatever_comes_each_event_begins_once_and_ends_once(seed: int) -> None:
    run = Run(EVERYTHING)
    random_life(run, np.random.default_rng(seed), 60)
    run.took(run.engine.close())
    check_once(run.events)
    begun = [e for e in run.events if e.state is EventState.BEGIN]
    ended = [e for e in run.events if e.state is EventState.END]
    assert {e.id for e in begun} == {e.id for e in ended}
    assert run.engine.status().begun == len(begun)


def test_10_000_frames_with_restarts_lose_and_double_nothing() -> None:
    """Visits of known times, by one object after the other: each has exactly one event."""
    rng = np.random.default_rng(5)
    run = Run(HALVES + "rules: {r: {when: enter, zone: left, clear_s: 0.3, lost_s: 0.3}}")
    visits = cut = frames = 0
    while frames < scaled(10_000):
        visits += 1
        inside, outside = (int(n) for n in rng.integers(10, 60, 2))
        run.frames(inside, [Object(visits, IN)])
        if rng.random() < 0.1:
            cut += 1
            run.jump(-float(rng.uniform(50, 500)))
        elif rng.random() < 0.1:
            run.jump(float(rng.uniform(2, 500)))
        run.frames(outside, [Object(visits, OUT)] if rng.random() < 0.5 else [])
        frames += inside + outside
    check_once(run.events)
    assert states(run.events) == ["begin", "end"] * visits
    reasons = [event.reason for event in run.events]
    assert reasons.count(EndReason.RESTARTED) == cut > 5


def random_life(run: Run, rng: np.random.Generator, steps: int) -> None:
    """Objects come, go, change id and state; answers fail; time jumps; rules change."""
    objects: dict[int, Object] = {}
    newest = 0
    outcomes = [*Outcome, None]
    for _ in range(steps):
        chance = rng.random()
        if chance < 0.3 and len(objects) < 5:
            newest += 1
            label = str(rng.choice(["person", "tote", "forklift"]))
            objects[newest] = Object(newest, float(rng.uniform(0.1, 0.9)), label=label)
        elif chance < 0.45 and objects:
            objects.pop(int(rng.choice(list(objects))))
        elif chance < 0.5 and objects:
            newest += 1
            old = objects.pop(int(rng.choice(list(objects))))
            old.key = newest
            objects[newest] = old
        elif chance < 0.53:
            run.jump(float(rng.choice([-30.0, -0.02, 3.0, 300.0])))
        elif chance < 0.55:
            rules = EVERYTHING if rng.random() < 0.5 else ENTER
            run.took(run.engine.replace(parse_rules(rules)))
        for one in objects.values():
            one.x = float(np.clip(one.x + rng.normal(0, 0.05), 0.1, 0.9))
            one.size_px = (float(rng.uniform(20, 90)), float(rng.uniform(40, 180)))
            one.sigma_px = float(rng.uniform(0.5, 40))
            one.state = TrackState(str(rng.choice([s.value for s in TrackState])))
            one.existence = float(rng.uniform(0.3, 1))
        outcome = outcomes[int(rng.integers(len(outcomes)))]
        run.frames(int(rng.integers(1, 5)), list(objects.values()), answers=outcome, every=2)
