# SPDX-License-Identifier: Apache-2.0
"""Spans of time, in integer nanoseconds."""

import functools

from builtin_interfaces.msg import Duration as _DurationMessage


@functools.total_ordering
class Duration:
    """A span of time; seconds and nanoseconds given are added."""

    __slots__ = ("_nanoseconds",)

    def __init__(self, *, seconds=0, nanoseconds=0):
        total = int(seconds * 10**9) + int(nanoseconds)
        if not -(2**63) <= total < 2**63:
            raise OverflowError("Total nanoseconds value is too large to store in C duration.")
        self._nanoseconds = total

    @property
    def nanoseconds(self):
        return self._nanoseconds

    def to_msg(self):
        seconds, nanoseconds = divmod(self._nanoseconds, 10**9)
        return _DurationMessage(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg):
        if not isinstance(msg, _DurationMessage):
            raise TypeError("Must pass a builtin_interfaces.msg.Duration object")
        return cls(nanoseconds=msg.sec * 10**9 + msg.nanosec)

    def __repr__(self):
        return f"Duration(nanoseconds={self._nanoseconds})"

    def __eq__(self, other):
        return isinstance(other, Duration) and self._nanoseconds == other._nanoseconds

    def __lt__(self, other):
        if not isinstance(other, Duration):
            return NotImplemented
        return self._nanoseconds < other._nanoseconds

    def __hash__(self):
        return hash(self._nanoseconds)

    def __add__(self, other):
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self._nanoseconds + other._nanoseconds)

    def __sub__(self, other):
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self._nanoseconds - other._nanoseconds)

    def __mul__(self, factor):
        return Duration(nanoseconds=int(self._nanoseconds * factor))


Infinite = Duration(nanoseconds=2**63 - 1)
