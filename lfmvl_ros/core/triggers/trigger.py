# SPDX-License-Identifier: Apache-2.0
"""The trigger of one camera: which of its frames the model is asked about."""

from __future__ import annotations

from collections import deque

from lfmvl_ros.core.config_triggers import TriggerSettings
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.triggers.motion import FloatImage, changed_share
from lfmvl_ros.core.triggers.rate import is_due_at

_KEPT = 4  # small images of the newest frames


class Trigger:
    """Decides which frames of one camera the model is asked about. Times are stamps of its frames.

    Each frame goes to :meth:`watch` first. :meth:`is_due` says whether the model should be asked
    about it, and :meth:`looked` records that it was.

    With mode ``motion`` a frame is compared with the one that the model saw last, so slow motion
    adds up, and an answer stays valid until the image changes.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all frames, because time has restarted."""
        self._looks = 0  # still to be made, however the image is
        self._origin_ns: int | None = None
        self._cycle = -1
        self._recent: deque[tuple[int, FloatImage]] = deque(maxlen=_KEPT)
        self._reference: FloatImage | None = None

    def wake(self, settings: TriggerSettings) -> None:
        """Ask about the next ``burst`` frames, in the modes that sleep."""
        if settings.may_sleep:
            self._looks = max(self._looks, settings.burst)

    def watch(self, settings: TriggerSettings, stamp_ns: int, small: FloatImage | None) -> None:
        """Take a frame.

        Args:
            settings: in force.
            stamp_ns: of the frame, newer than those before.
            small: the image as :func:`~.motion.small_image` returns it; with mode ``motion`` only.
        """
        if settings.mode == "duty_cycle":
            cycle = self._cycle_of(settings, stamp_ns)
            if cycle != self._cycle:
                self._cycle = cycle
                self.wake(settings)
        elif settings.mode == "motion" and small is not None:
            self._recent.append((stamp_ns, small))
            if self._reference is None or (
                changed_share(self._reference, small, settings.motion_contrast)
                >= settings.motion_area
            ):
                self.wake(settings)

    def is_due(self, settings: TriggerSettings, stamp_ns: int, last_asked_ns: int | None) -> bool:
        """Return whether a frame should go to the model now.

        Args:
            settings: in force.
            stamp_ns: capture time of the waiting frame.
            last_asked_ns: capture time of the last frame that went to the model; None before the
                first.

        A stamp before the last one is always due, except in mode ``on_demand``.

        >>> twice_a_second = TriggerSettings(mode="rate", max_rate_hz=2.0)
        >>> Trigger().is_due(twice_a_second, 1_400_000_000, 1_000_000_000)
        False
        >>> Trigger().is_due(twice_a_second, 1_500_000_000, 1_000_000_000)
        True
        """
        mode, awake = settings.mode, self.is_awake(settings)
        if mode == "continuous" or (awake and mode != "motion"):
            return True
        if mode == "on_demand":
            return False
        if mode == "rate":
            return is_due_at(settings.max_rate_hz, stamp_ns, last_asked_ns)
        if last_asked_ns is None or stamp_ns < last_asked_ns:
            return True
        if mode == "motion":
            most_hz = settings.moving_rate_hz
            moving = awake and (not most_hz or is_due_at(most_hz, stamp_ns, last_asked_ns))
            return moving or (stamp_ns - last_asked_ns) * NS >= settings.at_least_every_s
        return self._in_window(settings, stamp_ns)

    def is_awake(self, settings: TriggerSettings) -> bool:
        """Return whether answers are to come, now or as soon as ``moving_rate_hz`` allows."""
        return self._looks > 0 and settings.may_sleep

    def has_time(self, settings: TriggerSettings, stamp_ns: int) -> bool:
        """Return whether the model will be asked again soon, so that this time a region will do.

        A single answer, such as one for ``at_least_every_s`` or for a request, must be about the
        whole image.
        """
        mode = settings.mode
        if mode in ("continuous", "rate") or self.is_awake(settings):
            return True
        return mode == "duty_cycle" and self._in_window(settings, stamp_ns)

    def looked(self, stamp_ns: int) -> None:
        """Record that the model is asked about a whole frame."""
        self._looks = max(self._looks - 1, 0)
        for stamp, small in self._recent:
            if stamp <= stamp_ns:
                self._reference = small

    def _cycle_of(self, settings: TriggerSettings, stamp_ns: int) -> int:
        if self._origin_ns is None:
            self._origin_ns = stamp_ns
        return int((stamp_ns - self._origin_ns) * NS // settings.duty_every_s)

    def _in_window(self, settings: TriggerSettings, stamp_ns: int) -> bool:
        origin_ns = stamp_ns if self._origin_ns is None else self._origin_ns
        return (stamp_ns - origin_ns) * NS % settings.duty_every_s < settings.duty_on_s
