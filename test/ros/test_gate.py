# SPDX-License-Identifier: Apache-2.0
"""The gate: open until it is closed, and nobody is inside after that."""

import threading

import pytest

from lfmvl_ros.ros.gate import Gate


def test_calls_go_through_until_it_is_closed():
    gate, seen = Gate(), []
    assert gate.call(seen.append, 1)
    assert gate.close()
    assert not gate.call(seen.append, 2)
    assert gate.close()
    assert seen == [1]


def test_an_error_comes_out_and_leaves_nobody_inside():
    gate = Gate()
    with pytest.raises(ValueError, match="invalid literal"):
        gate.call(int, "x")
    assert gate.close(0.0)


def test_closing_waits_for_who_is_inside():
    gate, entered, leave = Gate(), threading.Event(), threading.Event()
    thread = threading.Thread(target=gate.call, args=(lambda: entered.set() or leave.wait(60),))
    thread.start()
    assert entered.wait(60)
    assert not gate.close(0.01)  # still inside
    leave.set()
    assert gate.close(60)
    thread.join(60)


def test_nothing_happens_after_closing_however_many_threads_call():
    for _ in range(20):
        gate, count = Gate(), [0]
        start = threading.Barrier(5)

        def work(gate=gate, count=count, start=start):
            start.wait()
            while gate.call(lambda: count.__setitem__(0, count[0] + 1)):
                pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        start.wait()
        assert gate.close(60)
        before = count[0]
        for thread in threads:
            thread.join(60)
        assert count[0] == before
