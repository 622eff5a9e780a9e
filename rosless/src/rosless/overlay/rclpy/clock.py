# SPDX-License-Identifier: Apache-2.0
"""Clocks: system, steady, and ROS time, which follows /clock when `use_sim_time` is set."""

import threading
import time as _time

from rclpy.clock_type import ClockType
from rclpy.exceptions import NotInitializedException
from rclpy.time import Time


class Clock:
    """A clock of the given type; `Clock(clock_type=ROS_TIME)` is a ROSClock."""

    def __new__(cls, *, clock_type=ClockType.SYSTEM_TIME):
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        return super().__new__(ROSClock if clock_type is ClockType.ROS_TIME else cls)

    def __init__(self, *, clock_type=ClockType.SYSTEM_TIME):
        self._clock_type = clock_type
        self._changed = threading.Condition()

    @property
    def clock_type(self):
        return self._clock_type

    def __repr__(self):
        return f"Clock(clock_type={self._clock_type.name})"

    def _now_ns(self):
        steady = self._clock_type is ClockType.STEADY_TIME
        return _time.monotonic_ns() if steady else _time.time_ns()

    def now(self):
        return Time(nanoseconds=self._now_ns(), clock_type=self._clock_type)

    def sleep_until(self, until, context=None):
        """True when the time was reached, False when the context was shut down before."""
        from rclpy.utilities import get_default_context

        context = get_default_context() if context is None else context
        if not context.ok():
            raise NotInitializedException()
        if until.clock_type != self._clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        with self._changed:
            while context.ok():
                remaining_s = (until.nanoseconds - self._now_ns()) / 1e9
                if remaining_s <= 0:
                    return True
                self._changed.wait(min(remaining_s, 0.05))  # ends early at shutdown or a jump
        return False

    def sleep_for(self, rel_time, context=None):
        return self.sleep_until(self.now() + rel_time, context)


class ROSClock(Clock):
    """ROS time: the system's, or the last /clock message while `ros_time_is_active`."""

    def __new__(cls):
        return super().__new__(cls, clock_type=ClockType.ROS_TIME)

    def __init__(self, *, clock_type=ClockType.ROS_TIME):
        super().__init__(clock_type=clock_type)
        self._active, self._override_ns = False, 0

    @property
    def ros_time_is_active(self):
        return self._active

    def _now_ns(self):
        return self._override_ns if self._active else _time.time_ns()

    def _set_ros_time_is_active(self, enabled):
        self._change(enabled, self._override_ns)

    def set_ros_time_override(self, time):
        self._change(self._active, time.nanoseconds)

    def _change(self, active, override_ns):
        with self._changed:
            self._active, self._override_ns = active, override_ns
            self._changed.notify_all()
