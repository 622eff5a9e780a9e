# SPDX-License-Identifier: Apache-2.0
"""Costs of a machine, learnt from answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.latency.answer_time import AnswerWork, ImageWork, LinearCost, Machine
from lfmvl_ros.core.reply import StageTimes

from .machines import taught

amounts = st.floats(0.0, 100.0)


@given(st.lists(st.tuples(amounts, amounts, st.floats(0, 1e4)), max_size=30))
def test_costs_are_never_negative_and_never_fall_with_work(observed):
    cost = LinearCost()
    for u, v, seconds in observed:
        cost = cost.learned(u, v, seconds)
    a, b = cost.coefficients()
    assert a >= 0
    assert b >= 0
    assert np.isfinite([a, b]).all()
    assert cost.seconds(1, 3) >= cost.seconds(1, 2) >= 0


@given(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0), st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_true_costs_are_found(a, b, seed, slower):
    rng, cost = np.random.default_rng(seed), LinearCost()
    for v in rng.uniform(0.2, 4.0, 60):
        cost = cost.learned(1.0, v, a + b * v)
    for v in (0.2, 1.0, 4.0):
        assert cost.seconds(1.0, v) == pytest.approx(a + b * v, rel=0.15)
        assert cost.scaled(slower).seconds(1.0, v) == pytest.approx(slower * cost.seconds(1.0, v))


def test_unchanging_work_is_taken_to_cost_in_proportion():
    cost = LinearCost()
    for _ in range(1000):  # nothing winds up
        cost = cost.learned(1.0, 0.5, 0.2)
    assert cost.seconds(1.0, 0.5) == pytest.approx(0.2)
    assert cost.seconds(1.0, 1.0) == pytest.approx(0.4)


def test_a_stall_teaches_nothing():
    machine = taught()
    work, answer = ImageWork(500, 150), AnswerWork(5, 100)
    stalled = machine.learned(work, answer, StageTimes(0.0, 0.5, 1.5, 1.0))
    assert (stalled.vision, stalled.prefill, stalled.decode) == (
        machine.vision, machine.prefill, machine.decode,
    )  # fmt: skip
    usual = stalled.learned(work, answer, StageTimes(0.0, 0.05, 0.15, 0.1))
    assert usual.odd == ()
    assert usual.since == machine.since


@pytest.mark.parametrize("slower", [0.25, 0.5, 2.0, 6.0])
def test_a_changed_machine_is_noticed_after_three_answers(slower):
    machine, work, answer = taught(), ImageWork(500, 150), AnswerWork(5, 100)
    before = machine.image_s(ImageWork(1000, 300)) * slower
    for _ in range(3):
        times = StageTimes(0.0, 0.05 * slower, 0.15 * slower, 0.1 * slower)
        machine = machine.learned(work, answer, times)
    assert machine.since == machine.answers - 2
    # What is known about the cost of other work is kept.
    assert machine.image_s(ImageWork(1000, 300)) == pytest.approx(before, rel=0.1)


def test_a_slow_first_answer_is_forgotten():
    machine, work, answer = Machine(), ImageWork(500, 150), AnswerWork(5, 100)
    for seconds in (3.0, 0.1, 0.1):
        machine = machine.learned(work, answer, StageTimes(0.0, seconds, seconds, seconds))
    assert machine.image_s(work) + machine.answer_s(answer) == pytest.approx(0.3)
    assert machine.since == 2
