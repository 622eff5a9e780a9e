# SPDX-License-Identifier: Apache-2.0
"""Points in time, in integer nanoseconds of a stated clock."""

import functools

from builtin_interfaces.msg import Time as _TimeMessage

from rclpy.clock_type import ClockType
from rclpy.duration import Duration


@functools.total_ordering
class Time:
    """A point in time of the clock `clock_type`; times of different clocks do not compare."""

    __slots__ = ("_clock_type", "_nanoseconds")

    def __init__(self, *, seconds=0, nanoseconds=0, clock_type=ClockType.SYSTEM_TIME):
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        if seconds < 0:
            raise ValueError("Seconds value must not be negative")
        if nanoseconds < 0:
            raise ValueError("Nanoseconds value must not be negative")
        total = int(seconds * 10**9) + int(nanoseconds)
        if total >= 2**63:
            raise OverflowError("Total nanoseconds value is too large to store in C time point.")
        self._nanoseconds, self._clock_type = total, clock_type

    @property
    def nanoseconds(self):
        return self._nanoseconds

    @property
    def clock_type(self):
        return self._clock_type

    def seconds_nanoseconds(self):
        return divmod(self._nanoseconds, 10**9)

    def to_msg(self):
        seconds, nanoseconds = divmod(self._nanoseconds, 10**9)
        return _TimeMessage(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg, clock_type=ClockType.ROS_TIME):
        if not isinstance(msg, _TimeMessage):
            raise TypeError("Must pass a builtin_interfaces.msg.Time object")
        return cls(nanoseconds=msg.sec * 10**9 + msg.nanosec, clock_type=clock_type)

    def __repr__(self):
        return f"Time(nanoseconds={self._nanoseconds}, clock_type={self._clock_type.name})"

    def _moved(self, nanoseconds):
        return Time(nanoseconds=self._nanoseconds + nanoseconds, clock_type=self._clock_type)

    def __add__(self, other):
        if not isinstance(other, Duration):
            return NotImplemented
        return self._moved(other.nanoseconds)

    __radd__ = __add__

    def __sub__(self, other):
        if isinstance(other, Duration):
            return self._moved(-other.nanoseconds)
        if not isinstance(other, Time):
            return NotImplemented
        if self._clock_type != other._clock_type:
            raise TypeError("Can't subtract times with different clock types")
        return Duration(nanoseconds=self._nanoseconds - other._nanoseconds)

    def _comparable(self, other):
        if not isinstance(other, Time):
            return False
        if self._clock_type != other._clock_type:
            raise TypeError("Can't compare times with different clock types")
        return True

    def __eq__(self, other):
        return self._comparable(other) and self._nanoseconds == other._nanoseconds

    def __lt__(self, other):
        return self._nanoseconds < other._nanoseconds if self._comparable(other) else NotImplemented

    def __hash__(self):
        return hash((self._nanoseconds, self._clock_type))
