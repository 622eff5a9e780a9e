# SPDX-License-Identifier: Apache-2.0
"""Spans of time, in integer nanoseconds."""

import functools
import operator

from builtin_interfaces.msg import Duration as _DurationMessage

from rclpy._entity import Incomplete


@functools.total_ordering
class Nanoseconds(Incomplete):
    """What spans and points of time have in common; they compare within one `_kind`."""

    __slots__ = ("_kind", "_nanoseconds")

    def __init__(self, kind, seconds, nanoseconds):
        total = int(seconds * 10**9) + int(nanoseconds)
        if not -(2**63) <= total < 2**63:
            raise OverflowError("Total nanoseconds value is too large to store in 64 bits.")
        self._kind, self._nanoseconds = kind, total

    nanoseconds = property(operator.attrgetter("_nanoseconds"))

    def to_msg(self):
        """The message of builtin_interfaces."""
        seconds, nanoseconds = divmod(self.nanoseconds, 10**9)
        return self._message(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg, **options):
        """The inverse of `to_msg`."""
        if not isinstance(msg, cls._message):
            raise TypeError(f"Must pass a builtin_interfaces.msg.{cls.__name__} object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec, **options)

    def _comparable(self, other):
        if type(other) is type(self) and other._kind != self._kind:
            raise TypeError("Can't compare times with different clock types")
        return type(other) is type(self)

    def __eq__(self, other):
        return self._comparable(other) and self.nanoseconds == other.nanoseconds

    def __lt__(self, other):
        return self.nanoseconds < other.nanoseconds if self._comparable(other) else NotImplemented

    def __hash__(self):
        return hash((self._kind, self.nanoseconds))

    def __repr__(self):
        return f"{type(self).__name__}(nanoseconds={self.nanoseconds}, {self._kind!r})"


class Duration(Nanoseconds):
    """A span of time; seconds and nanoseconds given are added."""

    __slots__ = ()
    _message = _DurationMessage

    def __init__(self, *, seconds=0, nanoseconds=0):
        super().__init__("span", seconds, nanoseconds)


Infinite = Duration(nanoseconds=2**63 - 1)
