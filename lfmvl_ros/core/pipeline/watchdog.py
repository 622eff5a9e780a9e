# SPDX-License-Identifier: Apache-2.0
"""Notices a model call that does not return long after it should have.

A backend checks its deadline between tokens, but nothing interrupts a driver that hangs, and a
thread can't be killed. So the watchdog answers in its place: the first of call and watchdog decides
the answer, and the result of the other one is ignored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)
_SLACK_S, _SLACK_SHARE = 2.0, 0.5


def stall_limit_s(timeout_s: float) -> float:
    """Return how long a call with this deadline may take before it counts as stalled, seconds.

    Deadlines are checked before each vision pass, prefill and token. None of these can be
    interrupted, so a deadline is exceeded by up to the time of one of them.

    >>> stall_limit_s(10.0), stall_limit_s(0.5)
    (15.0, 2.5)
    """
    return timeout_s + max(_SLACK_S, _SLACK_SHARE * timeout_s)


class WatchedCall:
    """One watched call; settled once, by its end or by the watchdog."""

    def __init__(self, limit_s: float, on_stall: Callable[[float], None]) -> None:
        self.started_s = time.monotonic()
        self.limit_s = limit_s
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._settled = False

    def settle(self) -> bool:
        """Return True to the first caller, False to all others."""
        with self._lock:
            first, self._settled = not self._settled, True
            return first

    def report(self) -> None:
        """Report the stall; exceptions of the listener are logged."""
        try:
            self._on_stall(time.monotonic() - self.started_s)
        except Exception:
            _log.exception("reporting a stalled call failed")


class Watchdog:
    """Watches one call at a time, from a thread of its own while started."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._call: WatchedCall | None = None
        self._stalled: WatchedCall | None = None
        self._running = False
        self._thread: threading.Thread | None = None
        self._stalls = 0

    @property
    def stalls(self) -> int:
        """How many calls have stalled so far."""
        return self._stalls

    @property
    def stalled_s(self) -> float:
        """How long the present call has taken, seconds, if it has stalled; else 0."""
        call = self._stalled
        return 0.0 if call is None else time.monotonic() - call.started_s

    def start(self) -> None:
        """Start watching."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop watching, also the present call."""
        with self._wake:
            self._running = False
            self._wake.notify()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def begin(self, limit_s: float, on_stall: Callable[[float], None]) -> WatchedCall:
        """Watch a call that starts now.

        Args:
            limit_s: how long it may take.
            on_stall: called once in the watchdog's thread if it takes longer, with the seconds so
                far. Its exceptions are logged.
        """
        call = WatchedCall(limit_s, on_stall)
        with self._wake:
            self._call = call
            self._wake.notify()
        return call

    def end(self, call: WatchedCall) -> bool:
        """Record that a call has returned; False if it was given up before."""
        in_time = call.settle()
        with self._wake:
            self._call = self._stalled = None
        if not in_time:
            late_s = time.monotonic() - call.started_s
            _log.warning("the stalled model call returned after %.1f s; answers continue", late_s)
        return in_time

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._running and (left_s := self._left_s()) > 0:
                    self._wake.wait(None if left_s == float("inf") else left_s)
                if not self._running or self._call is None:
                    return
                call, self._call = self._call, None
                stalled = call.settle()
                if stalled:
                    self._stalled = call
                    self._stalls += 1
            if stalled:
                call.report()

    def _left_s(self) -> float:
        """Return the time left for the present call; infinite without one. The lock is held."""
        if self._call is None:
            return float("inf")
        return self._call.started_s + self._call.limit_s - time.monotonic()
