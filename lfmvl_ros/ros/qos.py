# SPDX-License-Identifier: Apache-2.0
"""Quality of service by purpose."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def _profile(
    depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


NEWEST = _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""Camera input: the newest image is the only one worth having; takes any publisher."""

SENSOR = _profile(5, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""Camera output, as drivers do."""

RATES = _profile(100, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""Gyroscope: as sensor data, but no message should be lost; the queue holds 0.25 s at 400 Hz."""

TRANSFORMS = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""As tf2 listens to ``/tf``."""

STATIC_TRANSFORMS = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""As tf2 listens to ``/tf_static``."""

RESULTS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Detections, tracks, answers, queries: none may be lost on the way."""

EVENTS = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Events of rules: many may begin with one frame, and none may be lost."""

REVIEW = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""Events held for a person, also for subscribers that start later."""

REQUESTS = _profile(1000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Services and commands: a request that is dropped from a full queue is never answered."""

LATCHED = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""Facts that late joiners need as well."""


def own(profile: QoSProfile) -> QoSProfile:
    """Return a copy for one endpoint: rclpy writes overrides into the profile it is given."""
    return _profile(profile.depth, profile.reliability, profile.durability)


def overridable() -> QoSOverridingOptions:
    """Let parameters ``qos_overrides.<topic>.<publisher|subscription>.<policy>`` decide."""
    return QoSOverridingOptions.with_default_policies()
