# SPDX-License-Identifier: Apache-2.0
"""Reads temperature and battery, and derives what they demand of the node."""

from __future__ import annotations

import math
import time

from sensor_msgs.msg import BatteryState

from lfmvl_ros.core.config import LimitSettings
from lfmvl_ros.core.machine_sensors import MachineSensors
from lfmvl_ros.core.triggers.limits import Limits, Restraint

BATTERY_STALE_S = 60.0
"""A charge that is older limits nothing: the battery's node may have ended."""


class Spared:
    """The machine's heat and charge.

    Args:
        sensors: of this machine.
    """

    def __init__(self, sensors: MachineSensors | None = None) -> None:
        self._sensors = sensors or MachineSensors()
        self._limits = Limits()
        self._battery: tuple[float, float] | None = None  # charge, monotonic s

    def on_battery(self, message: BatteryState) -> None:
        """Take a charge; NaN and values outside 0 to 1 are those of a driver that does not know."""
        share = float(message.percentage)
        known = math.isfinite(share) and 0.0 <= share <= 1.0
        self._battery = (share, time.monotonic()) if known else None

    def restraint(self, settings: LimitSettings) -> Restraint:
        """Return what heat and charge demand now; to be called about once a second."""
        heat_c = None
        if settings.slow_above_c or settings.stop_above_c:
            heat_c = self._sensors.values().get("temperature_c")
        battery = self._battery
        if battery is not None and time.monotonic() - battery[1] > BATTERY_STALE_S:
            battery = None
        return self._limits.update(settings, heat_c, None if battery is None else battery[0])
