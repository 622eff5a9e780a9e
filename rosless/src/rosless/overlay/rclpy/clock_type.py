# SPDX-License-Identifier: Apache-2.0
"""Which clock a time belongs to."""

from enum import IntEnum


class ClockType(IntEnum):
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3
