# SPDX-License-Identifier: Apache-2.0
"""The probability that a rule holds at one frame, for each track or for the scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.rule import Kind, Rule

_MOST_COVERED = 0.5
_NEGLIGIBLE = 0.01


class Held(NamedTuple):
    """The probability that a rule holds.

    Attributes:
        probability: ``(N,)`` for each track, or ``(1,)`` for the scene; NaN where it is not known.
        value: of the same shape: the measured count, speed, time or distance; None without.
        rows: rows of the tracks that the scene's probability comes from.
        partner: ``(N,)`` row of the object that the distance is to, -1 for none; None without.
        inside: ``(N,)`` probability that each track is in the zone that it may leave; None without.
        confirmed: the scene's probability from tracks that the newest answer contains, as far as
            their scores are to be believed; None if it is the same as ``probability``.
    """

    probability: FloatArray
    value: FloatArray | None = None
    rows: tuple[int, ...] = ()
    partner: FloatArray | None = None
    inside: FloatArray | None = None
    confirmed: float | None = None


def _enter(rule: Rule, facts: Facts) -> Held:
    return Held(facts.there(rule))


def _speed(rule: Rule, facts: Facts) -> Held:
    assert rule.above is not None
    faster, speed = facts.movement.faster(rule.above, rule.over_s, rule.metric)
    return Held(faster * facts.there(rule), speed)


def _leave(rule: Rule, facts: Facts) -> Held:
    inside, known = facts.there(rule), facts.relevant(rule) * facts.is_located(rule.zone)
    return Held(np.maximum(known - inside, 0.0), inside=inside)


def _approach(rule: Rule, facts: Facts) -> Held:
    relevant = facts.there(rule)
    if rule.time_s is not None:
        soon, contact_s = facts.movement.contact(rule.time_s, rule.over_s)
        return Held(soon * relevant, contact_s)
    assert rule.distance_m is not None
    if not rule.to:
        distance = facts.distance_m()
        near = _below(distance.mean, distance.sigma, rule.distance_m)
        return Held(near * relevant, distance.mean)
    n = len(relevant)
    found, value, partner = np.zeros(n), np.full(n, np.nan), np.full(n, -1.0)
    others = facts.existence * facts.of_labels(rule.to_keys)
    for row in np.flatnonzero(relevant > _NEGLIGIBLE):
        distance = facts.pair_distance_m(int(row))
        near = _below(distance.mean, distance.sigma, rule.distance_m) * others
        near[row] = 0.0
        best = int(near.argmax())
        if near[best] > 0:
            found[row], value[row], partner[row] = near[best], distance.mean[best], best
    return Held(found * relevant, value, partner=partner)


def _below(mean: FloatArray, sigma: FloatArray, limit: float) -> FloatArray:
    found = ndtr((limit - mean) / np.maximum(sigma, 1e-9))
    return np.asarray(np.fmax(found, 0.0))  # of NaN and 0: 0


def fewer_than(probabilities: Sequence[float], count: int) -> float:
    """Return the probability that fewer than ``count`` of independent objects are there.

    Args:
        probabilities: that each of them is there.
        count: >= 0.

    >>> fewer_than([0.5, 0.5], 1)
    0.25
    """
    total = len(probabilities)
    if count > total:
        return 1.0
    if count > total - count + 1:  # shorter to count those that are not there
        absent = [1 - one for one in probabilities]
        return 1.0 - fewer_than(absent, total - count + 1)
    chances = [1.0] + [0.0] * (count - 1) if count else []
    for one in probabilities:
        for number in range(count - 1, 0, -1):
            chances[number] += one * (chances[number - 1] - chances[number])
        if count:
            chances[0] *= 1 - one
    return min(max(sum(chances), 0.0), 1.0)


def _count(rule: Rule, facts: Facts) -> Held:
    """More than ``above`` among confirmed tracks, or fewer than ``below`` among all.

    A tentative track is a real object about every second time. That is enough to argue against an
    absence, but not to be counted.
    """
    there = facts.there(rule).tolist()
    roster = facts.roster
    rows = [row for row in facts.rows_of(rule.label_keys) if there[row] > _NEGLIGIBLE]
    if rule.above is not None:
        rows = [row for row in rows if not roster.is_tentative[row]]
    chances = [there[row] for row in rows]
    number = np.array([sum(chances)])
    if rule.above is None:
        assert rule.below is not None
        fewer = fewer_than(chances, int(rule.below))
        return Held(np.array([fewer]), number, tuple(rows))
    count = int(rule.above) + 1
    more = confirmed = 1 - fewer_than(chances, count)
    if facts.trust(rule) is not roster.everyone:
        there = (facts.there(rule) * facts.trust(rule)).tolist()
    seen = [there[row] for row in rows if roster.is_confirmed[row]]
    if seen != chances:
        confirmed = 1 - fewer_than(seen, count)
    return Held(np.array([more]), number, tuple(rows), confirmed=confirmed)


def _missing(rule: Rule, facts: Facts) -> Held:
    """No object of the label is in the zone; unknown while another hides more than half of it."""
    assert rule.zone is not None
    there = facts.there(rule)
    if facts.covered(rule.zone, rule.label_keys) > _MOST_COVERED:
        return Held(np.array([np.nan]))
    return Held(np.array([float((1 - there).prod())]))


HOW_HELD: Mapping[Kind, Callable[[Rule, Facts], Held]] = {
    Kind.ENTER: _enter,
    Kind.LEAVE: _leave,
    Kind.DWELL: _enter,
    Kind.COUNT: _count,
    Kind.APPEAR: _enter,
    Kind.VANISH: _enter,
    Kind.SPEED: _speed,
    Kind.APPROACH: _approach,
    Kind.MISSING: _missing,
}
