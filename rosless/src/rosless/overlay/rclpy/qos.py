# SPDX-License-Identifier: Apache-2.0
"""Quality-of-service profiles and policies."""

from enum import Enum, IntEnum

from rclpy._entity import refuse
from rclpy.duration import Duration


class InvalidQoSProfileException(Exception):
    def __init__(self, *args):
        super().__init__("Invalid QoSProfile", *args)


class HistoryPolicy(IntEnum):
    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2


class ReliabilityPolicy(IntEnum):
    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2


class DurabilityPolicy(IntEnum):
    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2


class LivelinessPolicy(IntEnum):
    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3


_DEFAULTS = {
    "history": HistoryPolicy.KEEP_LAST,
    "depth": 0,
    "reliability": ReliabilityPolicy.RELIABLE,
    "durability": DurabilityPolicy.VOLATILE,
    "lifespan": Duration(),
    "deadline": Duration(),
    "liveliness": LivelinessPolicy.SYSTEM_DEFAULT,
    "liveliness_lease_duration": Duration(),
}


class QoSProfile:
    """The policies of a publisher or subscription; a zero Duration means "not limited"."""

    __slots__ = tuple(_DEFAULTS)

    def __init__(self, **policies):
        refuse(set(policies) - set(_DEFAULTS))
        if "depth" not in policies and policies.get("history", 1) == HistoryPolicy.KEEP_LAST:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        for name, value in {**_DEFAULTS, **policies}.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        kind = type(_DEFAULTS[name])
        if issubclass(kind, Enum):
            value = kind(value)
        elif not isinstance(value, kind):
            raise AssertionError(f"QoS policy {name} must be a {kind.__name__}, got {value!r}")
        if name == "depth" and value < 0:
            raise ValueError(f"QoS depth must not be negative, got {value}")
        super().__setattr__(name, value)

    def _policies(self):
        return {name: getattr(self, name) for name in _DEFAULTS}

    def __eq__(self, other):
        return isinstance(other, QoSProfile) and self._policies() == other._policies()

    __hash__ = None

    def __repr__(self):
        return f"QoSProfile({', '.join(f'{n}={v!r}' for n, v in self._policies().items())})"


def qos_from(value):
    """A profile from the `qos_profile` argument: a copy of a QoSProfile, or the depth as int."""
    if isinstance(value, QoSProfile):
        return QoSProfile(**value._policies())
    if isinstance(value, int) and not isinstance(value, bool):
        return QoSProfile(depth=value)
    raise TypeError(f"Expected QoSProfile or int, but received {type(value)!r}")


qos_profile_sensor_data = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
qos_profile_services_default = QoSProfile(depth=10)
qos_profile_parameters = QoSProfile(depth=1000)
qos_profile_parameter_events = QoSProfile(depth=1000)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)
