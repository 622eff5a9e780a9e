# SPDX-License-Identifier: Apache-2.0
"""A change ends soon after its cause is gone, with the mean that shows it, and not before."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from lfmvl_ros.core.drift import DriftMonitor
from lfmvl_ros.core.drift.monitor import Change

from .sites import PLANTED, Site, monitor, told

ENDED_WITHIN = 200  # answers that have the figure
Learnt = list[tuple[Any, DriftMonitor]]


def ends(watch: DriftMonitor, answers: list[dict[str, float]]) -> list[tuple[int, Change]]:
    """Return the changes that end, each with the number of answers that it took."""
    found = []
    for number, answer in enumerate(answers, 1):
        watch.add(answer, "q", "m")
        found += [(number, change) for change in watch.cleared]
    return found


@pytest.mark.parametrize(("name", "planted", "feature"), PLANTED)
def test_a_change_that_is_gone_ends_within_200_answers(
    learnt: Learnt, name: str, planted: dict[str, float], feature: str
) -> None:
    for seed, pair in enumerate(learnt):
        site, watch = deepcopy(pair)
        told(watch, site.answers(600 + 7 * seed, **planted))  # ends anywhere in a block
        (changed,) = [c for c in watch.changes if c.feature == feature]
        answers = [a for a in site.answers(2 * ENDED_WITHIN) if feature in a][:ENDED_WITHIN]
        (end,) = [change for _, change in ends(watch, answers) if change.feature == feature]
        assert abs(end.sigmas) < abs(changed.sigmas), seed
        assert end.before == changed.before
        assert feature not in [c.feature for c in watch.changes]


@pytest.mark.parametrize("share", [0.7, 1.0])
@pytest.mark.parametrize(("name", "planted", "feature"), PLANTED)
def test_a_change_that_stays_begins_once_and_does_not_end(
    learnt: Learnt, name: str, planted: dict[str, float], feature: str, share: float
) -> None:
    usual = {"light": 0.5, "sharp": -1.0, "person": 0.8, "tote": 2.5, "forklift": 0.3, "sure": 0.8,
             "slowness": 1.0, "failing": 0.01}  # fmt: skip
    weaker = {key: usual[key] + share * (value - usual[key]) for key, value in planted.items()}
    for seed, (site, before) in enumerate(learnt[:4]):
        watch = deepcopy(before)
        begun, ended = [], []
        for answer in deepcopy(site).answers(2000, **weaker):
            begun += [change.feature for change in watch.add(answer, "q", "m")]
            ended += [change.feature for change in watch.cleared]
        assert (begun.count(feature), ended.count(feature)) == (1, 0), seed


def test_no_other_change_begins_when_one_has_passed() -> None:
    site = Site(1)
    watch = monitor(site)
    assert told(watch, site.answers(1000, light=0.3)) == ["brightness"]
    assert [change.feature for change in watch.changes] == ["brightness"]
    assert not told(watch, site.answers(400))
    assert not watch.status().changes
    assert watch.status().begun == 1


def test_the_end_has_its_own_mean() -> None:
    site = Site(1)
    watch = monitor(site)
    told(watch, site.answers(200, light=0.3))
    ((_, change),) = ends(watch, site.answers(400))
    assert change.feature == "brightness"
    assert change.now == pytest.approx(0.5, abs=0.1)
    told(watch, site.answers(1))
    assert watch.cleared == ()
