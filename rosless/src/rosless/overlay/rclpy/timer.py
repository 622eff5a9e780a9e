# SPDX-License-Identifier: Apache-2.0
"""Timers."""

from rclpy._entity import Entity


class Timer(Entity):
    """Made by Node.create_timer. Due times are kept in nanoseconds of its clock."""

    _condition = 0  # no DDS condition: executors ask for the time until the next call

    def __init__(self, node, group, callback, timer_period_ns, clock):
        if timer_period_ns < 0:
            raise ValueError("timer period must not be negative")
        super().__init__(node, group, callback)
        self.clock, self.timer_period_ns = clock, timer_period_ns
        self._canceled = False
        self._restart(clock._now_ns())

    def _restart(self, now_ns):
        self._last_ns, self._next_ns = now_ns, now_ns + self.timer_period_ns

    def is_ready(self):
        """True when the callback is due."""
        until_ns = self.time_until_next_call()
        return until_ns is not None and until_ns <= 0

    def is_canceled(self):
        """True after `cancel`."""
        return self._canceled

    def cancel(self):
        """Call no more."""
        self._canceled = True

    _close = cancel

    def reset(self):
        """Start anew, also after `cancel`."""
        self._restart(self.clock._now_ns())
        self._canceled = False
        self._node._ros_wake_executor()

    def time_until_next_call(self):
        """Nanoseconds, negative when late; None when cancelled."""
        if self._canceled:
            return None
        now_ns = self.clock._now_ns()
        if now_ns < self._last_ns:  # the clock jumped back
            self._restart(now_ns)
        return self._next_ns - now_ns

    def _take(self):
        """An empty tuple (no arguments) when due; the next due time keeps to the period's grid."""
        if not self.is_ready():
            return None
        now_ns = self._last_ns = self.clock._now_ns()
        self._next_ns += self.timer_period_ns
        if self._next_ns < now_ns and self.timer_period_ns:
            self._next_ns = now_ns + (self._next_ns - now_ns) % self.timer_period_ns
        return ()

    def _execute(self, arguments):
        self.callback()
