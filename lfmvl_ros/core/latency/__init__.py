# SPDX-License-Identifier: Apache-2.0
"""How many image tokens an answer may use to stay within a target latency."""

from lfmvl_ros.core.latency.budget import LatencyBudget

__all__ = ["LatencyBudget"]
