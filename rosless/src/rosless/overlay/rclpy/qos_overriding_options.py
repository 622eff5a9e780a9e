# SPDX-License-Identifier: Apache-2.0
"""Read-only parameters `qos_overrides.<topic>.<publisher|subscription>.<policy>`."""

from dataclasses import dataclass
from enum import Enum

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult

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
    AVOID_ROS_NAMESPACE_CONVENTIONS = "avoid_ros_namespace_conventions"


QosCallbackResult = SetParametersResult


@dataclass
class QoSOverridingOptions:
    """Which policies of an endpoint parameters may override, and a callback that may refuse."""

    policy_kinds: tuple
    callback: object = None
    entity_id: object = None

    @classmethod
    def with_default_policies(cls, *, callback=None, entity_id=None):
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return cls(kinds, callback, entity_id)


def apply(node, kind, topic, profile, options):
    """`profile` with the overrides of `node`'s parameters; `kind` is publisher or subscription."""
    entity = f"{kind}_{options.entity_id}" if options.entity_id else kind
    for policy in options.policy_kinds:
        name = f"qos_overrides.{topic}.{entity}.{policy.value}"
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
    if options.callback is not None:
        result = options.callback(profile)
        if not result.successful:
            raise InvalidQosOverridesError(f"{topic} {kind}: {result.reason}")
    return profile


def _to_parameter(value):
    if isinstance(value, Duration):
        return value.nanoseconds
    return value.short_key if hasattr(value, "short_key") else value


def _from_parameter(current, value):
    if isinstance(current, Duration):
        return Duration(nanoseconds=value)
    return type(current)[value.upper()] if hasattr(current, "short_key") else value
