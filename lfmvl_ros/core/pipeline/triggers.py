# SPDX-License-Identifier: Apache-2.0
"""Which frames the model is asked about."""

from __future__ import annotations

from lfmvl_ros.core.config import TriggerSettings


def is_due(settings: TriggerSettings, stamp_ns: int, last_asked_ns: int | None) -> bool:
    """Return whether the frame taken at ``stamp_ns`` should go to the model now.

    Args:
        settings: the mode, and with ``rate`` the most answers per second.
        stamp_ns: capture time of the waiting frame.
        last_asked_ns: capture time of the last frame that went to the model; None before the first.

    A stamp before the last one (a bag loops) is always due, except in mode ``on_demand``.

    >>> is_due(TriggerSettings(mode="rate", max_rate_hz=2.0), 1_400_000_000, 1_000_000_000)
    False
    >>> is_due(TriggerSettings(mode="rate", max_rate_hz=2.0), 1_500_000_000, 1_000_000_000)
    True
    """
    if settings.mode == "on_demand":
        return False
    if settings.mode == "continuous" or last_asked_ns is None:
        return True
    elapsed_ns = stamp_ns - last_asked_ns
    return elapsed_ns < 0 or elapsed_ns * settings.max_rate_hz >= 1e9
