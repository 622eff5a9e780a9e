# SPDX-License-Identifier: Apache-2.0
"""The stamp of a message, in nanoseconds: of the node's messages and of a bag's."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.ros.sensors.pixels import ConversionError


def stamp_ns(stamp: Any) -> int:
    """Return a message's stamp in nanoseconds; 0 where the driver set none.

    Raises:
        ConversionError: it is before 1970, or its ``nanosec`` is a second or more. No clock gives
            such a stamp.
    """
    if stamp.sec < 0:
        raise ConversionError(f"the stamp has a negative time ({stamp.sec} s)")
    if stamp.nanosec >= 10**9:
        raise ConversionError(f"the stamp has {stamp.nanosec} ns in a second; the driver is broken")
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
