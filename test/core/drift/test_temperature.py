# SPDX-License-Identifier: Apache-2.0
"""A machine that gets hotter is found; a few degrees up and down are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.drift import DriftMonitor
from lfmvl_ros.core.drift.machine import MachineFeatures
from lfmvl_ros.core.machine_sensors import MachineSensors


def monitor(temperature_c: list[float]) -> DriftMonitor:
    rng = np.random.default_rng(1)
    watched = DriftMonitor(None, 400)
    for value in temperature_c:
        watched.add({"temperature_c": value + rng.normal(0, 1)}, "tote", "model")
    return watched


def test_a_machine_that_gets_hotter_is_found_within_200_answers() -> None:
    (change,) = monitor([55.0] * 400 + [72.0] * 200).status().changes
    assert change.feature == "temperature_c"
    assert str(change).startswith("temperature_c 7")


def test_a_few_degrees_are_no_change() -> None:
    day = (55 + 3 * np.sin(np.arange(6000) / 300)).tolist()
    assert monitor(day).status().begun == 0


def test_sensors_are_read_once_a_second(tmp_path: Path) -> None:
    zone = tmp_path / "sys" / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("51000\n")
    now_s = [10.0]
    machine = MachineFeatures(MachineSensors(tmp_path), clock=lambda: now_s[0])
    assert machine.values() == {"temperature_c": 51.0}
    (zone / "temp").write_text("60000\n")
    now_s[0] = 10.9
    assert machine.values() == {"temperature_c": 51.0}
    now_s[0] = 11.1
    assert machine.values() == {"temperature_c": 60.0}


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path) -> None:
    assert MachineFeatures(MachineSensors(tmp_path)).values() == {}


def test_only_temperatures_are_read_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors = MachineSensors(tmp_path)
    monkeypatch.setattr(sensors, "temperature_c", lambda: 48.0)
    monkeypatch.setattr(sensors, "values", lambda: pytest.fail("clocks and power are not needed"))
    assert MachineFeatures(sensors).values() == {"temperature_c": 48.0}
