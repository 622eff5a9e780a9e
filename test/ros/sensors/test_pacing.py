# SPDX-License-Identifier: Apache-2.0
"""True rate: due times kept, late images skipped and counted, no bursts."""

import threading

import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.sensors.pacing import MonotonicClock, Pacer

from ...waiting import PATIENCE_S, until


class Time:
    """Time that passes only while somebody waits for it, or as the test says."""

    def __init__(self):
        self._now_ns, self._lock = 0, threading.Lock()

    def now_ns(self):
        return self._now_ns

    def wait_until(self, due_ns, stop):
        with self._lock:
            self._now_ns = max(self._now_ns, due_ns)
        return stop.is_set()

    def take(self, seconds):
        with self._lock:
            self._now_ns += round(seconds * 1e9)


class Numbers:
    """Images whose pixels say their number; ``slow_s`` each."""

    live = False
    name = "numbers"

    def __init__(self, count, rate_hz, slow_s=0.0, broken_at=None):
        self.rate_hz, self.count, self.slow_s, self.broken_at = rate_hz, count, slow_s, broken_at
        self.next, self.closed, self.rewound = 0, False, 0
        self.time = Time()

    def read(self):
        if self.next == self.broken_at:
            raise UserError("numbers ran out of ink")
        if self.next >= self.count:
            return None
        self.time.take(self.slow_s)
        self.next += 1
        return np.full((2, 2, 3), self.next - 1)

    def next_ns(self):
        return None

    def skip(self, count):
        end = self.count if self.broken_at is None else self.broken_at
        skipped = min(count, end - self.next)
        self.next += skipped
        return skipped

    def rewind(self):
        self.next = 0
        self.rewound += 1

    def close(self):
        self.closed = True


class Sink:
    def __init__(self):
        self.got, self.ended, self.error = [], threading.Event(), None

    def deliver(self, image, due_ns):
        self.got.append((int(image[0, 0, 0]), due_ns))

    def end(self, error):
        self.error = error
        self.ended.set()

    @property
    def numbers(self):
        return [number for number, _ in self.got]


def play(source, sink, loop=False, enough=lambda: False):
    pacer = Pacer(source, sink.deliver, loop=loop, ended=sink.end, clock=source.time)
    pacer.start()
    until(lambda: sink.ended.is_set() or enough(), told=lambda: sink.got)
    pacer.stop(PATIENCE_S)
    return pacer.status()


def due_times_s(sink, rate_hz):
    """When each image was due, minus where its number says it belongs."""
    first_number, first_ns = sink.got[0]
    return [(ns - first_ns) / 1e9 - (n - first_number) / rate_hz for n, ns in sink.got]


def test_images_carry_their_due_time_and_then_the_source_ends():
    source, sink = Numbers(12, rate_hz=50.0), Sink()
    status = play(source, sink)
    assert sink.ended.is_set()
    assert sink.error is None
    assert source.closed
    assert status.published + status.skipped == 12
    assert sink.numbers == sorted(set(sink.numbers))
    assert max(map(abs, due_times_s(sink, 50.0))) < 1e-6  # however late the machine was


def test_a_slow_source_skips_and_stays_true():
    source, sink = Numbers(60, rate_hz=100.0, slow_s=0.025), Sink()
    status = play(source, sink)
    assert status.skipped > 20
    assert status.published + status.skipped >= 60
    assert sink.numbers == sorted(set(sink.numbers))
    assert max(map(abs, due_times_s(sink, 100.0))) < 1e-6


def test_a_held_up_consumer_gets_no_burst():
    source, sink = Numbers(10**6, rate_hz=50.0), Sink()
    deliver, waited = sink.deliver, []

    def slow_once(image, due_ns):
        deliver(image, due_ns)
        if not waited:
            waited.append(True)
            source.time.take(0.4)

    sink.deliver = slow_once
    status = play(source, sink, enough=lambda: len(sink.got) > 10)
    assert status.skipped >= 10
    # After the hold-up at most the one image that is due is late, and then they keep time.
    assert sink.numbers[1] >= 15
    assert max(map(abs, due_times_s(sink, 50.0))) < 1e-6


def test_looping_starts_again():
    source, sink = Numbers(3, rate_hz=200.0), Sink()
    play(source, sink, loop=True, enough=lambda: source.rewound >= 3)
    assert source.rewound >= 3
    assert not sink.ended.is_set()
    assert set(sink.numbers) <= {0, 1, 2}


def test_a_live_source_is_not_delayed():
    source, sink = Numbers(10, rate_hz=1.0), Sink()
    source.live = True
    status = play(source, sink)
    assert sink.ended.is_set()
    assert status.published == 10


@pytest.mark.parametrize("broken_at", [0, 2])
def test_a_source_that_breaks_is_reported(broken_at):
    source, sink = Numbers(5, rate_hz=200.0, broken_at=broken_at), Sink()
    status = play(source, sink)
    assert str(sink.error) == "numbers ran out of ink"
    assert status.published + status.skipped == broken_at


def test_a_defect_in_a_source_is_reported():
    source, sink = Numbers(5, rate_hz=200.0), Sink()
    source.read = lambda: 1 / 0
    play(source, sink)
    assert "numbers failed: division by zero" in str(sink.error)


def test_an_empty_looping_source_ends():
    sink = Sink()
    play(Numbers(0, rate_hz=200.0), sink, loop=True)
    assert sink.ended.is_set()


class Uneven(Numbers):
    """Numbers at times of their own."""

    def __init__(self, times_ms, **more):
        super().__init__(len(times_ms), rate_hz=50.0, **more)
        self.times_ms = times_ms

    def next_ns(self):
        return self.times_ms[self.next] * 1_000_000 if self.next < self.count else None


def test_times_of_the_source_are_kept_in_each_round():
    source, sink = Uneven([0, 30, 60, 300, 330]), Sink()
    play(source, sink, loop=True, enough=lambda: len(sink.got) > 12)
    first_ns = sink.got[0][1]
    round_ms = 330 + 30  # the first image of the next round is due after as long as the last one
    at_ms, rounds, before = [], 0, -1
    for number, at_ns in sink.got:
        rounds += number <= before
        before = number
        at_ms.append((at_ns - first_ns) / 1e6 - rounds * round_ms - source.times_ms[number])
    assert max(map(abs, at_ms)) < 1e-3


def test_a_slow_source_with_times_of_its_own_skips_what_was_due():
    times_ms = [*range(0, 1000, 10), 1500, 1510]
    source, sink = Uneven(times_ms, slow_s=0.04), Sink()
    status = play(source, sink)
    assert status.skipped > 40
    assert status.published + status.skipped == len(times_ms)
    first_ns = sink.got[0][1]
    late = [(ns - first_ns) / 1e6 - times_ms[number] for number, ns in sink.got]
    assert max(map(abs, late)) < 1e-3
    assert {100, 101} & set(sink.numbers)  # what comes after a pause is not skipped


def test_the_clock_of_the_machine_is_waited_on_until_it_is_time_or_over():
    clock, stop = MonotonicClock(), threading.Event()
    due_ns = clock.now_ns() + 20_000_000
    assert not clock.wait_until(due_ns, stop)
    assert clock.now_ns() >= due_ns
    assert not clock.wait_until(0, stop)
    stop.set()
    assert clock.wait_until(clock.now_ns() + 10**15, stop)
