# SPDX-License-Identifier: Apache-2.0
"""The temperature of the machine, read at most once a second: a hot one answers more slowly."""

from __future__ import annotations

import time
from collections.abc import Callable

from lfmvl_ros.core.drift.features import MACHINE
from lfmvl_ros.core.machine_sensors import MachineSensors

_PERIOD_S = 1.0


class MachineFeatures:
    """The monitored values of the machine; empty if it reports none.

    Args:
        sensors: of the machine; its own by default.
        clock: monotonic s.
    """

    def __init__(
        self, sensors: MachineSensors | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sensors, self._clock = sensors or MachineSensors(), clock
        self._read_s: float | None = None
        self._values: dict[str, float] = {}

    def values(self) -> dict[str, float]:
        """Return ``temperature_c`` of the hottest sensor, °C."""
        now_s = self._clock()
        if self._read_s is None or now_s - self._read_s >= _PERIOD_S:
            hottest_c = self._sensors.temperature_c()
            self._values = {} if hottest_c is None else {MACHINE: hottest_c}
            self._read_s = now_s
        return self._values
