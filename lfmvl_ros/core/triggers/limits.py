# SPDX-License-Identifier: Apache-2.0
"""How heat and the battery limit the rate of answers, with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lfmvl_ros.core.config_limits import LimitSettings
from lfmvl_ros.core.triggers.rate import is_due_at

_BATTERY_MARGIN = 0.02


class Level(IntEnum):
    """What a limit demands: nothing, fewer answers, or none."""

    FREE = 0
    SLOW = 1
    STOP = 2


@dataclass(frozen=True)
class Restraint:
    """What the limits demand now, together.

    Attributes:
        level: of the strictest limit.
        reason: a sentence with the limit and the value that exceeds it; "" at level FREE.
        rate_hz: most answers per second and camera at level SLOW.
    """

    level: Level = Level.FREE
    reason: str = ""
    rate_hz: float = 0.0

    def allows(self, stamp_ns: int, last_asked_ns: int | None) -> bool:
        """Return whether the model may be asked about a frame; arguments of :func:`is_due_at`."""
        if self.level is Level.SLOW:
            return is_due_at(self.rate_hz, stamp_ns, last_asked_ns)
        return self.level is Level.FREE


class Limits:
    """Keeps the level of each limit; it ends once its value is back by a margin (hysteresis)."""

    def __init__(self) -> None:
        self._heat = self._battery = Level.FREE

    def update(
        self, settings: LimitSettings, temperature_c: float | None, battery: float | None
    ) -> Restraint:
        """Return what the limits demand.

        Args:
            settings: in force.
            temperature_c: of the hottest sensor; None without a sensor: nothing is limited.
            battery: charge, 0 to 1; None if it is not known, which limits nothing.
        """
        self._heat = _level(
            temperature_c, settings.slow_above_c, settings.stop_above_c,
            settings.cooler_by_c, self._heat,
        )  # fmt: skip
        # A charge that falls is a deficit that rises.
        self._battery = _level(
            None if battery is None else 1.0 - battery,
            _deficit(settings.slow_below_battery),
            _deficit(settings.stop_below_battery),
            _BATTERY_MARGIN,
            self._battery,
        )
        level = max(self._heat, self._battery)
        if level is Level.FREE:
            return Restraint()
        word = "slow" if level is Level.SLOW else "stop"
        if self._heat is level:
            limit = settings.slow_above_c if level is Level.SLOW else settings.stop_above_c
            cause = f"{temperature_c:.1f} C, limits.{word}_above_c is {limit:g}"
        else:
            slow = level is Level.SLOW
            limit = settings.slow_below_battery if slow else settings.stop_below_battery
            cause = f"battery at {battery:.0%}, limits.{word}_below_battery is {limit:g}"
        what = "no answers"
        if level is Level.SLOW:
            what = f"at most {settings.slow_rate_hz:g} answers per second"
        return Restraint(level, f"{what}: {cause}", settings.slow_rate_hz)


def _deficit(share: float) -> float:
    return 1.0 - share if share > 0 else 0.0


def _level(value: float | None, slow: float, stop: float, margin: float, before: Level) -> Level:
    """Return the level of a value that is worse the higher it is; a limit of 0 is off."""
    if value is None:
        return Level.FREE
    for level, limit in ((Level.STOP, stop), (Level.SLOW, slow)):
        if limit > 0 and value >= limit - (margin if before >= level else 0.0):
            return level
    return Level.FREE
