# SPDX-License-Identifier: Apache-2.0
"""The two tests of a figure, on means that are given in standard deviations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lfmvl_ros.core.drift.reference import Normal
from lfmvl_ros.core.drift.sequential_tests import SequentialTests


def run(*means: tuple[float, int], tests: SequentialTests | None = None) -> list[bool]:
    """Return after each mean whether a change lasts; means are given with their number."""
    tests = SequentialTests(Normal(0.0, 1.0, 100)) if tests is None else tests
    found = []
    for mean, count in means:
        for _ in range(count):
            tests.add(mean)
            found.append(tests.has_changed)
    return found


def flips(states: list[bool]) -> int:
    return sum(a != b for a, b in itertools.pairwise(states))


@pytest.mark.parametrize("side", [1, -1])
def test_a_change_begins_lasts_and_ends(side: int) -> None:
    states = run((0.0, 50), (side * 4.0, 20), (0.0, 20))
    assert not any(states[:51])
    assert all(states[53:71])  # four means of 4, of which 3 count each, are needed
    assert states[71:].index(False) <= 2
    assert flips(states) == 2


def test_one_unusual_mean_neither_begins_nor_ends_a_change() -> None:
    assert not any(run((0.0, 10), (50.0, 1), (0.0, 10), (-50.0, 1)))
    states = run((3.0, 20), (0.0, 1), (3.0, 5), (-50.0, 1), (3.0, 5))
    assert all(states[4:])


def test_a_smaller_change_is_still_one() -> None:
    assert all(run((8.0, 10), (1.6, 200))[4:])
    assert not run((8.0, 10), (0.5, 20))[-1]


@pytest.mark.parametrize("size", [3.0, 8.0])
def test_a_figure_that_crosses_the_reference_has_not_come_back(size: float) -> None:
    states = run((size, 10), (-size, 50), (size, 50))
    assert all(states[4:])
    assert not run((size, 10), (-size, 50), (0.0, 20))[-1]


def test_what_comes_back_from_the_other_side_has_ended() -> None:
    tests = SequentialTests(Normal(0.0, 1.0, 100))
    assert run((5.0, 20), (-0.9, 20), tests=tests)[-1] is False
    assert not any(run((0.0, 100), tests=tests))


@pytest.mark.parametrize("size", [2.0, 3.0, 6.0])
def test_a_steady_change_does_not_flap(size: float) -> None:
    """The bar is that of false alarms: less than one end in 10,000 answers, 500 means."""
    draw, means = np.random.default_rng(5), 10_000
    tests = SequentialTests(Normal(0.0, 1.0, 100))
    states = []
    for mean in size + draw.standard_normal(means):
        tests.add(float(mean))
        states.append(tests.has_changed)
    ends = sum(a and not b for a, b in itertools.pairwise(states))
    assert ends < means / 500
    assert np.mean(states) > 0.98


def test_an_uncertain_reference_needs_more() -> None:
    few = SequentialTests(Normal(0.0, 1.0, 10))
    assert not any(run((1.3, 100), tests=few))
    assert run((1.3, 100))[-1]
