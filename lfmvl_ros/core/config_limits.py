# SPDX-License-Identifier: Apache-2.0
"""Settings of what limits how often the model is asked: heat and the battery."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class LimitSettings(Group):
    """When the model is asked less often, or not at all, to spare the machine.

    Raises:
        UserError: the limit that stops comes before the one that slows.
    """

    slow_above_c: float = setting(
        0.0,
        "When the hottest sensor reaches this temperature, the model is asked at most slow_rate_hz "
        "times a second; 0 is off. Set it somewhat below the temperature at which the board "
        "throttles.",
        unit="C",
        low=0.0,
        high=150.0,
    )
    stop_above_c: float = setting(
        0.0,
        "When the hottest sensor reaches this temperature, the model is asked only for ground_once "
        "and for commands (find, describe, sentences); 0 is off. Set it to protect a board without "
        "good cooling.",
        unit="C",
        low=0.0,
        high=150.0,
    )
    cooler_by_c: float = setting(
        5.0,
        "Hysteresis: a temperature limit ends this far below its value. Raise it if the rate of "
        "answers goes up and down.",
        unit="C",
        low=0.0,
        high=50.0,
    )
    slow_below_battery: float = setting(
        0.0,
        "Below this charge (0 to 1, topic battery), the model is asked at most slow_rate_hz times "
        "a second; 0 is off. Set it so that the robot gets back to its charger.",
        low=0.0,
        high=1.0,
    )
    stop_below_battery: float = setting(
        0.0,
        "Below this charge, the model is asked only for ground_once and for commands (find, "
        "describe, sentences); 0 is off. Battery limits end 0.02 above their values. Set it to "
        "keep the rest of the charge for driving.",
        low=0.0,
        high=1.0,
    )
    slow_rate_hz: float = setting(
        0.5,
        "Maximum number of answers per second and camera while a limit slows the model down. "
        "Lower it if the board does not cool down.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.stop_above_c < self.slow_above_c:
            raise UserError(
                f"limits.stop_above_c ({self.stop_above_c:g}) must not be below "
                f"limits.slow_above_c ({self.slow_above_c:g})"
            )
        if 0 < self.slow_below_battery < self.stop_below_battery:
            raise UserError(
                f"limits.stop_below_battery ({self.stop_below_battery:g}) must not be above "
                f"limits.slow_below_battery ({self.slow_below_battery:g})"
            )
