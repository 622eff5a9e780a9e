# SPDX-License-Identifier: Apache-2.0
"""Clocks: system, steady, and ROS time, which follows /clock when `use_sim_time` is set."""

import time as _time

from rclpy._entity import Incomplete
from rclpy.time import ClockType, Time


class Clock(Incomplete):
    """A clock of the given type; ROS time stands still at `_override_ns` unless that is None."""

    def __init__(self, *, clock_type=ClockType.SYSTEM_TIME):
        self.clock_type, self._override_ns = ClockType(clock_type), None

    @property
    def ros_time_is_active(self):
        """True while the time comes from /clock."""
        return self._override_ns is not None

    def _now_ns(self):
        if self._override_ns is not None:
            return self._override_ns
        steady = self.clock_type is ClockType.STEADY_TIME
        return _time.monotonic_ns() if steady else _time.time_ns()

    def now(self):
        """The Time now."""
        return Time(nanoseconds=self._now_ns(), clock_type=self.clock_type)
