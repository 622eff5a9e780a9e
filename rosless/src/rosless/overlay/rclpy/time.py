# SPDX-License-Identifier: Apache-2.0
"""Points in time, in integer nanoseconds of a stated clock."""

from enum import IntEnum

from builtin_interfaces.msg import Time as _TimeMessage

from rclpy.duration import Duration, Nanoseconds


class ClockType(IntEnum):
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3


class Time(Nanoseconds):
    """A point in time of the clock `clock_type`; times of different clocks do not compare."""

    __slots__ = ()
    _message = _TimeMessage

    def __init__(self, *, seconds=0, nanoseconds=0, clock_type=ClockType.SYSTEM_TIME):
        if seconds < 0 or nanoseconds < 0:
            raise ValueError("Seconds and nanoseconds must not be negative")
        super().__init__(ClockType(clock_type), seconds, nanoseconds)

    @property
    def clock_type(self):
        """The ClockType of the clock that this time is of."""
        return self._kind

    @classmethod
    def from_msg(cls, msg, clock_type=ClockType.ROS_TIME):
        """The time in a message, of the clock `clock_type`."""
        return super().from_msg(msg, clock_type=clock_type)

    def __add__(self, other):
        if not isinstance(other, Duration):
            return NotImplemented
        return Time(nanoseconds=self.nanoseconds + other.nanoseconds, clock_type=self._kind)

    def __sub__(self, other):
        if isinstance(other, Duration):
            return self + Duration(nanoseconds=-other.nanoseconds)
        if not self._comparable(other):
            return NotImplemented
        return Duration(nanoseconds=self.nanoseconds - other.nanoseconds)
