# SPDX-License-Identifier: Apache-2.0
"""Clocks: system, steady, and ROS time, which follows /clock when `use_sim_time` is set."""

import threading
import time as _time
from dataclasses import dataclass
from enum import IntEnum

from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.exceptions import NotInitializedException
from rclpy.time import Time
from rosless.missing import missing


class ClockChange(IntEnum):
    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


@dataclass(frozen=True)
class TimeJump:
    """What a jump callback gets: the kind of change and new minus old time."""

    clock_change: ClockChange
    delta: Duration


class JumpThreshold:
    """When a jump is reported: from `min_forward` up, from `min_backward` (negative) down."""

    def __init__(self, *, min_forward, min_backward, on_clock_change=True):
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError("min_forward must be a positive non-zero duration")
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError("min_backward must be a negative non-zero duration")
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError("At least one jump threshold must be enabled")
        self.min_forward, self.min_backward = min_forward, min_backward
        self.on_clock_change = on_clock_change

    def _crossed(self, jump):
        if jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
            return self.on_clock_change
        forward = self.min_forward is not None and jump.delta >= self.min_forward
        return forward or (self.min_backward is not None and jump.delta <= self.min_backward)


class JumpHandle:
    """Keeps a jump callback registered until `unregister`."""

    def __init__(self, *, clock, threshold, pre_callback, post_callback):
        if pre_callback is None and post_callback is None:
            raise ValueError("One of pre_callback or post_callback must be callable")
        self._clock, self.threshold = clock, threshold
        self._pre, self._post = pre_callback, post_callback
        clock._jump_handles.append(self)

    def unregister(self):
        if self in self._clock._jump_handles:
            self._clock._jump_handles.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unregister()


class Clock:
    """A clock of the given type; `Clock(clock_type=ROS_TIME)` is a ROSClock."""

    def __new__(cls, *, clock_type=ClockType.SYSTEM_TIME):
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        return super().__new__(ROSClock if clock_type is ClockType.ROS_TIME else cls)

    def __init__(self, *, clock_type=ClockType.SYSTEM_TIME):
        self._clock_type = clock_type
        self._jump_handles = []
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

    def create_jump_callback(self, threshold, *, pre_callback=None, post_callback=None):
        return JumpHandle(
            clock=self, threshold=threshold, pre_callback=pre_callback, post_callback=post_callback
        )

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
        if enabled != self._active:
            names = ("ROS_TIME_DEACTIVATED", "ROS_TIME_ACTIVATED")
            self._change(ClockChange[names[enabled]], active=enabled)

    def set_ros_time_override(self, time):
        self._change(ClockChange.ROS_TIME_NO_CHANGE, override_ns=time.nanoseconds)

    def _change(self, kind, *, active=None, override_ns=None):
        """Apply a change of time and tell the jump callbacks whose threshold it crosses."""
        active = self._active if active is None else active
        override_ns = self._override_ns if override_ns is None else override_ns
        new_ns = override_ns if active else _time.time_ns()
        jump = TimeJump(kind, Duration(nanoseconds=new_ns - self._now_ns()))
        handles = list(self._jump_handles) if active or self._active else []
        concerned = [handle for handle in handles if handle.threshold._crossed(jump)]
        for handle in concerned:
            if handle._pre is not None:
                handle._pre()
        with self._changed:
            self._active, self._override_ns = active, override_ns
            self._changed.notify_all()
        for handle in concerned:
            if handle._post is not None:
                handle._post(jump)


__getattr__ = missing(__name__)
