# SPDX-License-Identifier: Apache-2.0
"""Temperatures, clocks, power and memory as Linux reports them, where the machine does.

Read are ``/sys/class/thermal``, ``/sys/class/hwmon`` (power, and the INA3221 of Jetson boards as
voltage times current), ``/sys/devices/system/cpu/*/cpufreq`` and ``/proc/self/status``. What is not
there is left out: virtual machines report next to nothing.
"""

from __future__ import annotations

from pathlib import Path


class MachineSensors:
    """The sensors of this machine, found once.

    Args:
        root: of the file system, for tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        system = root / "sys"
        self._thermal = sorted(system.glob("class/thermal/thermal_zone*/temp"))
        self._thermal += sorted(system.glob("class/hwmon/hwmon*/temp*_input"))
        self._clocks = sorted(system.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"))
        self._power = sorted(system.glob("class/hwmon/hwmon*/power*_input"))
        self._rails = [
            (volts, amperes)
            for volts in sorted(system.glob("class/hwmon/hwmon*/in*_input"))
            if (amperes := volts.with_name(volts.name.replace("in", "curr", 1))).is_file()
        ]
        self._status = root / "proc" / "self" / "status"

    def values(self) -> dict[str, float]:
        """Return what can be read now.

        Keys: ``temperature_c`` (the hottest), ``clock_mhz`` (mean of the cores), ``power_w`` (sum
        of what is measured), ``memory_mb`` (resident, of this process, 10^6 bytes).
        """
        found: dict[str, float] = {}
        if (hottest_c := self.temperature_c()) is not None:
            found["temperature_c"] = hottest_c
        if clocks := _numbers(self._clocks, 1e-3):
            found["clock_mhz"] = round(sum(clocks) / len(clocks))
        watts = _numbers(self._power, 1e-6)
        for volts, amperes in self._rails:
            pair = _numbers([volts, amperes], 1e-3)
            watts += [pair[0] * pair[1]] if len(pair) == 2 else []
        if watts:
            found["power_w"] = round(sum(watts), 2)
        if (memory := self._resident_mb()) is not None:
            found["memory_mb"] = memory
        return found

    def temperature_c(self) -> float | None:
        """Return what the hottest sensor reports now, °C; None without a sensor."""
        degrees = _numbers(self._thermal, 1e-3)
        return round(max(degrees), 1) if degrees else None

    def _resident_mb(self) -> float | None:
        try:
            lines = self._status.read_text(encoding="ascii", errors="replace").splitlines()
            kib = next(int(x.split()[1]) for x in lines if x.startswith("VmRSS:"))
            return round(kib * 1024 / 1e6, 1)
        except (OSError, ValueError, StopIteration, IndexError):
            return None


def _numbers(paths: list[Path], scale: float) -> list[float]:
    """Return what the files hold; those that can't be read now (a sensor asleep) are left out."""
    found = []
    for path in paths:
        try:
            found.append(int(path.read_text(encoding="ascii")) * scale)
        except (OSError, ValueError):
            continue
    return found
