# SPDX-License-Identifier: Apache-2.0
"""Timers."""

from rclpy._entity import Entity


class Timer(Entity):
    """Made by Node.create_timer. Due times are kept in nanoseconds of its clock."""

    _condition = 0  # no DDS condition: executors ask for the time until the next call

    def __init__(self, node, callback, callback_group, timer_period_ns, clock, autostart=True):
        if timer_period_ns < 0:
            raise ValueError("timer period must not be negative")
        super().__init__(node, callback_group)
        self.callback, self.clock, self.timer_period_ns = callback, clock, int(timer_period_ns)
        self._canceled = not autostart
        self._last_ns = clock._now_ns()
        self._next_ns = self._last_ns + self.timer_period_ns

    def is_ready(self):
        return not self._canceled and self._until_next_ns() <= 0

    def is_canceled(self):
        return self._canceled

    def cancel(self):
        self._canceled = True

    def reset(self):
        self._last_ns = self.clock._now_ns()
        self._next_ns = self._last_ns + self.timer_period_ns
        self._canceled = False
        self._node._ros_wake_executor()

    def time_until_next_call(self):
        return None if self._canceled else self._until_next_ns()

    def time_since_last_call(self):
        return self.clock._now_ns() - self._last_ns

    def _until_next_ns(self):
        now = self.clock._now_ns()
        if now < self._last_ns:  # the clock jumped back: the period starts anew
            self._last_ns, self._next_ns = now, now + self.timer_period_ns
        return self._next_ns - now

    def _take(self):
        """An empty tuple (no arguments) when due; the next due time keeps to the period's grid."""
        if not self.is_ready():
            return None
        now = self._last_ns = self.clock._now_ns()
        self._next_ns += self.timer_period_ns
        if self._next_ns < now and self.timer_period_ns:
            self._next_ns = now + (self._next_ns - now) % self.timer_period_ns
        return ()

    def _execute(self, arguments):
        return self.callback()

    def _close(self):
        self._canceled = True
