# SPDX-License-Identifier: Apache-2.0
"""Read-only parameters `qos_overrides.<topic>.<publisher|subscription>.<policy>`."""

from dataclasses import dataclass
from enum import Enum

from rcl_interfaces.msg import ParameterDescriptor

from rclpy._entity import Incomplete
from rclpy.duration import Duration


class InvalidQosOverridesError(Exception):
    """The overridden profile was refused."""


class QoSPolicyKind(Enum):
    """Policies that can be overridden; the value is the attribute of QoSProfile."""

    HISTORY = "history"
    DEPTH = "depth"
    RELIABILITY = "reliability"
    DURABILITY = "durability"
    LIFESPAN = "lifespan"
    DEADLINE = "deadline"
    LIVELINESS = "liveliness"
    LIVELINESS_LEASE_DURATION = "liveliness_lease_duration"


@dataclass
class QoSOverridingOptions(Incomplete):
    """Which policies of an endpoint parameters may override."""

    policy_kinds: tuple

    @classmethod
    def with_default_policies(cls):
        """History, depth and reliability."""
        return cls((QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY))


def apply(node, kind, topic, profile, options):
    """Write the overrides of `node`'s parameters to `profile`; `kind`: publisher, subscription."""
    for policy in options.policy_kinds:
        name = f"qos_overrides.{topic}.{kind}.{policy.value}"
        current = getattr(profile, policy.value)
        if node.has_parameter(name):
            value = node.get_parameter(name).value
        else:
            text = f"{policy.value} of the {kind} on {topic}"
            descriptor = ParameterDescriptor(description=text, read_only=True)
            value = node.declare_parameter(name, _to_parameter(current), descriptor).value
        try:
            setattr(profile, policy.value, _from_parameter(current, value))
        except (KeyError, ValueError, AssertionError) as error:
            raise InvalidQosOverridesError(f"{name}: {value!r} is no valid value") from error


def _to_parameter(value):
    if isinstance(value, Duration):
        return value.nanoseconds
    return value.name.lower() if isinstance(value, Enum) else value


def _from_parameter(current, value):
    if isinstance(current, Duration):
        return Duration(nanoseconds=value)
    return type(current)[value.upper()] if isinstance(current, Enum) else value
