# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters: declared with type, range and meaning; changed all or nothing."""

from __future__ import annotations

import difflib
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.errors import describe as describe_error
from lfmvl_ros.core.settings import Group, SettingInfo, Value, nearest_name
from lfmvl_ros.core.settings_text import constraints, explain

GroupType = TypeVar("GroupType", bound=Group)
# Of topics made on activation, and what bondpy declares when a heartbeat stays away.
_DECLARED_LATER = ("qos_overrides.", "bond_disable_heartbeat_timeout")


def describe(info: SettingInfo) -> ParameterDescriptor:
    """Return the descriptor that ``ros2 param describe`` shows for a setting."""
    descriptor = ParameterDescriptor(
        name=info.name,
        type=Parameter.Type.from_parameter_value(_plain(info.default)).value,
        description=explain(info),
        additional_constraints=constraints(info) if info.choices else "",
        read_only=info.read_only,
        # `timeout_s: 10` is the commonest slip in a parameter file; an int is taken for a float.
        # An empty list has the type of a list of bytes (ros2/rclpy issue 912). A text may arrive as
        # a boolean or a number, and our message says why.
        dynamic_typing=info.kind in (float, tuple, str),
    )
    if info.low is not None and info.high is not None:
        if info.kind is int:
            bounds = IntegerRange(from_value=int(info.low), to_value=int(info.high))
            descriptor.integer_range = [bounds]
        else:
            limits = FloatingPointRange(from_value=float(info.low), to_value=float(info.high))
            descriptor.floating_point_range = [limits]
    return descriptor


def unused_overrides(node: Node) -> list[str]:
    """Return the names that the command line or a parameter file sets and nothing has declared.

    rclpy offers no public list of them. Where the attribute is missing there is nothing to report.
    """
    given: dict[str, Parameter] = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name))


def warn_unused_qos(node: Node) -> None:
    """Warn about ``qos_overrides`` of topics or policies that the node does not have.

    They are declared with the publishers and subscriptions: call it once those are there.
    """
    known = [f"qos_overrides.{name}" for name in node.get_parameters_by_prefix("qos_overrides")]
    for name in unused_overrides(node):
        if name.startswith("qos_overrides."):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            node.get_logger().warning(
                f"parameter {name!r} has no effect: this node has no such topic, or "
                f"its policy can't be overridden{meant}"
            )


def _plain(value: Value) -> Any:
    """Return a value as rclpy takes it."""
    return list(value) if isinstance(value, tuple) else value


class SettingsParameters(Generic[GroupType]):
    """The parameters of a node, kept equal to one settings object.

    Args:
        node: where they are declared.
        settings: defaults; what launch, YAML or the command line give overrides them.
        apply: called with changed settings before a change is accepted. A :class:`UserError` it
            raises refuses the change, its text is the reason, and nothing has changed.

    Raises:
        UserError: an override has the wrong type or a value out of range.

    An override that no parameter of the node takes is warned about: ROS drops it in silence.
    """

    def __init__(self, node: Node, settings: GroupType, apply: Callable[[GroupType], None]) -> None:
        self._names = frozenset(type(settings).describe())
        self._apply, self._log = apply, node.get_logger()
        self._lock = threading.Lock()
        self.settings = self._declare(node, settings)
        node.add_on_set_parameters_callback(self._on_set)
        for name in unused_overrides(node):
            if not name.startswith(_DECLARED_LATER):
                near = nearest_name(name, [*self._names, "use_sim_time"])
                meant = f"; did you mean {near!r}?" if near else ""
                node.get_logger().warning(f"parameter {name!r} is unknown and has no effect{meant}")

    @staticmethod
    def _declare(node: Node, settings: GroupType) -> GroupType:
        values: dict[str, object] = {}
        for name, info in type(settings).describe().items():
            default = _plain(settings.flat()[name])
            try:
                values[name] = node.declare_parameter(name, default, describe(info)).value
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                raise UserError(f"parameter {name!r}: {error}") from error
        return settings.updated(values)

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        # use_sim_time and the quality-of-service overrides are somebody else's.
        changes = {item.name: item.value for item in parameters if item.name in self._names}
        if not changes:
            return SetParametersResult(successful=True)
        with self._lock:  # services and topics change parameters from several threads
            try:
                changed = self.settings.updated(changes)
                self._apply(changed)
            except UserError as error:
                return SetParametersResult(successful=False, reason=str(error))
            except Exception as error:  # a value must never end the node
                self._log.error(f"parameters {sorted(changes)}: {traceback.format_exc()}")
                return SetParametersResult(successful=False, reason=describe_error(error))
            self.settings = changed
        return SetParametersResult(successful=True)
