# SPDX-License-Identifier: Apache-2.0
"""Sensors of a made-up machine, and of this one."""

from __future__ import annotations

from pathlib import Path

from lfmvl_ros.core.machine_sensors import MachineSensors


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_everything_that_a_machine_reports_is_read(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "41000\n")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "67500\n")
    write(tmp_path, "sys/class/thermal/thermal_zone2/temp", "asleep\n")
    write(tmp_path, "sys/class/hwmon/hwmon0/power1_input", "2500000\n")
    write(tmp_path, "sys/class/hwmon/hwmon1/in1_input", "5000\n")  # an INA3221: 5 V, 0.8 A
    write(tmp_path, "sys/class/hwmon/hwmon1/curr1_input", "800\n")
    write(tmp_path, "sys/class/hwmon/hwmon1/in2_input", "12000\n")  # a voltage alone
    for core, clock in enumerate((1_500_000, 2_500_000)):
        name = f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"
        write(tmp_path, name, f"{clock}\n")
    write(tmp_path, "proc/self/status", "Name:\tx\nVmRSS:\t  204800 kB\n")
    assert MachineSensors(tmp_path).values() == {
        "temperature_c": 67.5, "clock_mhz": 2000, "power_w": 6.5, "memory_mb": 209.7,
    }  # fmt: skip


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert MachineSensors(tmp_path).values() == {}
    assert MachineSensors().values()["memory_mb"] > 1
