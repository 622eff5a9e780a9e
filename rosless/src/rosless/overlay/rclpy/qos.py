# SPDX-License-Identifier: Apache-2.0
"""Quality-of-service profiles and policies."""

from enum import Enum, IntEnum

from rclpy.duration import Duration


class InvalidQoSProfileException(Exception):
    def __init__(self, *args):
        super().__init__("Invalid QoSProfile", *args)


class _Policy(IntEnum):
    @property
    def short_key(self):
        return self.name.lower()

    @classmethod
    def get_from_short_key(cls, name):
        return cls[name.upper()]


class HistoryPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class ReliabilityPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3


class DurabilityPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3


class LivelinessPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4


QoSHistoryPolicy, QoSReliabilityPolicy = HistoryPolicy, ReliabilityPolicy
QoSDurabilityPolicy, QoSLivelinessPolicy = DurabilityPolicy, LivelinessPolicy

_DEFAULTS = {
    "history": HistoryPolicy.KEEP_LAST,
    "depth": 0,
    "reliability": ReliabilityPolicy.RELIABLE,
    "durability": DurabilityPolicy.VOLATILE,
    "lifespan": Duration(),
    "deadline": Duration(),
    "liveliness": LivelinessPolicy.SYSTEM_DEFAULT,
    "liveliness_lease_duration": Duration(),
    "avoid_ros_namespace_conventions": False,
}


class QoSProfile:
    """The policies of a publisher or subscription; a zero Duration means "not limited"."""

    __slots__ = tuple(_DEFAULTS)

    def __init__(self, **policies):
        unknown = set(policies) - set(_DEFAULTS)
        if unknown:
            raise TypeError(f"Invalid arguments passed to constructor: {sorted(unknown)}")
        if "history" not in policies and "depth" not in policies:
            raise InvalidQoSProfileException("History and/or depth settings are required.")
        for name, value in {**_DEFAULTS, **policies}.items():
            setattr(self, name, value)
        if self.history == HistoryPolicy.KEEP_LAST and "depth" not in policies:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")

    def __setattr__(self, name, value):
        kind = type(_DEFAULTS[name])
        if issubclass(kind, _Policy):
            value = kind(value)
        elif not isinstance(value, kind):
            raise AssertionError(f"QoS policy {name} must be a {kind.__name__}, got {value!r}")
        if name == "depth" and value < 0:
            raise ValueError(f"QoS depth must not be negative, got {value}")
        super().__setattr__(name, value)

    def __eq__(self, other):
        if not isinstance(other, QoSProfile):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in _DEFAULTS)

    __hash__ = None

    def __str__(self):
        values = ", ".join(f"{name}={getattr(self, name)}" for name in _DEFAULTS)
        return f"QoSProfile({values})"

    __repr__ = __str__

    def _copy(self):
        return QoSProfile(**{name: getattr(self, name) for name in _DEFAULTS})


def qos_from(value):
    """The profile of the `qos_profile` argument: a QoSProfile, or the depth as int."""
    if isinstance(value, QoSProfile):
        return value._copy()
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("history depth must be greater than or equal to zero")
        return QoSProfile(depth=value)
    raise TypeError(f"Expected QoSProfile or int, but received {type(value)!r}")


qos_profile_default = QoSProfile(depth=10)
qos_profile_sensor_data = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
qos_profile_services_default = QoSProfile(depth=10)
qos_profile_parameters = QoSProfile(depth=1000)
qos_profile_parameter_events = QoSProfile(depth=1000)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)
qos_profile_system_default = QoSProfile(
    history=HistoryPolicy.SYSTEM_DEFAULT,
    reliability=ReliabilityPolicy.SYSTEM_DEFAULT,
    durability=DurabilityPolicy.SYSTEM_DEFAULT,
)


class QoSPresetProfiles(Enum):
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
