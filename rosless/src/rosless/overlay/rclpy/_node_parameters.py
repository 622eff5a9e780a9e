# SPDX-License-Identifier: Apache-2.0
"""The part of Node that deals with parameters."""

import math
import threading

from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent, SetParametersResult

from rclpy._entity import refuse
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameter_events

_WRONG_TYPE = "Wrong parameter type"


class NodeParameters:
    """Declared parameters, their descriptors, and the callbacks on change.

    A change goes through: checks against the descriptors, callbacks (which may refuse), storing,
    and the event on /parameter_events.
    """

    def _ros_init_parameters(self, overrides):
        self._ros_parameters, self._ros_descriptors = {}, {}
        self._ros_overrides, self._ros_on_set_callbacks = overrides, []
        self._ros_parameter_lock = threading.RLock()
        self._ros_event_publisher = self.create_publisher(
            ParameterEvent, "/parameter_events", qos_profile_parameter_events
        )

    # ------------------------------------------------------------------------------- declaring

    def declare_parameter(self, name, value=None, descriptor=None, **missing):
        """Declare one parameter; `value` is its default, or a Parameter.Type without default."""
        return self.declare_parameters("", [(name, value, descriptor)], **missing)[0]

    def declare_parameters(self, namespace, parameters, **missing):
        """Declare (name[, value[, descriptor]]) tuples, `namespace` put before each name."""
        refuse(missing)
        prefix = f"{namespace}." if namespace else ""
        prepared = [self._ros_prepare(prefix, *entry) for entry in parameters]
        with self._ros_parameter_lock:
            already = [p.name for p, _ in prepared if p.name in self._ros_parameters]
            if already:
                raise ParameterAlreadyDeclaredException(already)
            return [self._ros_declare(parameter, descriptor) for parameter, descriptor in prepared]

    def _ros_prepare(self, prefix, name, value=None, descriptor=None):
        """(parameter, descriptor) as declared; the value is that of an override if there is one."""
        if descriptor is None:
            descriptor = ParameterDescriptor(dynamic_typing=value is None)
        if not isinstance(descriptor, ParameterDescriptor):
            raise TypeError(f"descriptor must be a ParameterDescriptor, got {descriptor!r}")
        name = prefix + name
        if not name or name.startswith(".") or name.endswith("."):
            raise InvalidParameterException(name)
        if isinstance(value, Parameter.Type):
            kind, value = value, None
            if kind is Parameter.Type.NOT_SET and not descriptor.dynamic_typing:
                raise ValueError(f"Cannot declare parameter {name} statically typed as NOT_SET")
        else:
            kind = Parameter.Type.from_parameter_value(value)
        descriptor.name, descriptor.type = name, int(kind)
        return _typed(name, descriptor, self._ros_overrides.get(name, value)), descriptor

    def _ros_declare(self, parameter, descriptor):
        unset = parameter.type_ is Parameter.Type.NOT_SET and not descriptor.dynamic_typing
        reason = None if unset else _refusal(parameter, descriptor, declaring=True)
        if reason is None:
            reason = self._ros_veto([parameter])
        elif reason.startswith(_WRONG_TYPE):
            expected = Parameter.Type(descriptor.type).name
            raise InvalidParameterTypeException(parameter, expected)
        if reason is not None:
            raise InvalidParameterValueException(parameter.name, parameter.value, reason)
        self._ros_descriptors[parameter.name] = descriptor
        self._ros_store([parameter])
        return parameter

    def has_parameter(self, name):
        """True when the parameter is declared."""
        return name in self._ros_parameters

    # --------------------------------------------------------------------------------- reading

    def get_parameter(self, name):
        """The Parameter; an error when it is not declared or has no value yet."""
        with self._ros_parameter_lock:
            if name not in self._ros_parameters:
                raise ParameterNotDeclaredException(name)
            parameter = self._ros_parameters[name]
            unset = parameter.type_ is Parameter.Type.NOT_SET
            if unset and not self._ros_descriptors[name].dynamic_typing:
                raise ParameterUninitializedException(name)
            return parameter

    def get_parameters(self, names):
        """Several Parameters."""
        return [self.get_parameter(name) for name in names]

    def describe_parameter(self, name):
        """The ParameterDescriptor."""
        if name not in self._ros_descriptors:
            raise ParameterNotDeclaredException(name)
        return self._ros_descriptors[name]

    # --------------------------------------------------------------------------------- setting

    def add_on_set_parameters_callback(self, callback):
        """Ask `callback(parameters)` before each change; it returns a SetParametersResult."""
        self._ros_on_set_callbacks.insert(0, callback)

    def set_parameters(self, parameter_list):
        """Set one after the other; one SetParametersResult each."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list):
        """Set all or, when one is refused, none; returns one SetParametersResult."""
        with self._ros_parameter_lock:
            given = list(parameter_list)
            for parameter in given:
                if not isinstance(parameter, Parameter):
                    raise TypeError(f"parameters must be of type Parameter, got {parameter!r}")
            undeclared = [p.name for p in given if p.name not in self._ros_parameters]
            if undeclared:
                raise ParameterNotDeclaredException(undeclared)
            descriptors = [self._ros_descriptors[p.name] for p in given]
            parameters = [
                p if d.dynamic_typing else _typed(p.name, d, p.value)
                for p, d in zip(given, descriptors, strict=True)
            ]
            reasons = filter(None, map(_refusal, parameters, descriptors))
            reason = next(reasons, None) or self._ros_veto(parameters)
            if reason is None:
                self._ros_store(parameters)
            return SetParametersResult(successful=reason is None, reason=reason or "")

    def _ros_veto(self, parameters):
        """The reason of the first callback that refuses, None when none does."""
        for callback in self._ros_on_set_callbacks:
            result = callback(parameters)
            if not isinstance(result, SetParametersResult):
                return "Callback returned an invalid type, it should return SetParametersResult"
            if not result.successful:
                return result.reason
        return None

    def _ros_store(self, parameters):
        event = ParameterEvent(node=self.get_fully_qualified_name())
        for parameter in parameters:
            known = self._ros_parameters.get(parameter.name)
            if parameter.type_ is Parameter.Type.NOT_SET and known is not None:
                event.deleted_parameters.append(parameter.to_parameter_msg())
            elif known is None or known.type_ is Parameter.Type.NOT_SET:
                event.new_parameters.append(parameter.to_parameter_msg())
            else:
                event.changed_parameters.append(parameter.to_parameter_msg())
            self._ros_parameters[parameter.name] = parameter
            if self._ros_descriptors[parameter.name].dynamic_typing:
                self._ros_descriptors[parameter.name].type = int(parameter.type_)
        event.stamp = self.get_clock().now().to_msg()
        self._ros_event_publisher.publish(event)


def _typed(name, descriptor, value):
    """The parameter; an empty list, which has no type of its own, gets the declared type."""
    declared = Parameter.Type(descriptor.type)
    if isinstance(value, (list, tuple)) and not value and declared.check(value):
        return Parameter(name, declared, value)
    return Parameter(name, value=value)


def _refusal(parameter, descriptor, declaring=False):
    """Why a value does not suit its descriptor, None when it does."""
    name, value = parameter.name, parameter.value
    if descriptor.read_only and not declaring:
        return f"Trying to set a read-only parameter: {name}."
    if parameter.type_ != descriptor.type and not descriptor.dynamic_typing:
        expected, got = Parameter.Type(descriptor.type), parameter.type_
        return f"{_WRONG_TYPE}, expected 'Type.{expected.name}' got 'Type.{got.name}'"
    if parameter.type_ is Parameter.Type.INTEGER and descriptor.integer_range:
        limits = descriptor.integer_range[0]
        on_step = not limits.step or (value - limits.from_value) % limits.step == 0
    elif parameter.type_ is Parameter.Type.DOUBLE and descriptor.floating_point_range:
        limits = descriptor.floating_point_range[0]
        steps = (value - limits.from_value) / limits.step if limits.step else 0.0
        on_step = not math.isfinite(steps) or math.isclose(steps, round(steps), abs_tol=1e-9)
    else:
        return None
    if not limits.from_value <= value <= limits.to_value:
        return (
            f"Parameter {name} out of range. Min: {limits.from_value}, "
            f"Max: {limits.to_value}, value: {value}"
        )
    if value in (limits.from_value, limits.to_value) or on_step:
        return None
    return (
        f"The parameter value for {name} is not a valid step. Min: {limits.from_value}, "
        f"max: {limits.to_value}, value: {value}, step: {limits.step}"
    )
