# SPDX-License-Identifier: Apache-2.0
"""The part of Node that deals with parameters."""

import math
import threading

from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent, SetParametersResult

from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameter_events

_WRONG_TYPE = "Wrong parameter type"


class NodeParameters:
    """Declared parameters, their descriptors, and the callbacks on change.

    A change goes through: pre-set callbacks (may alter the list), checks against the descriptors,
    on-set callbacks (may refuse), storing, post-set callbacks, and the event on /parameter_events.
    """

    def _ros_init_parameters(self, overrides, allow_undeclared):
        self._ros_parameters, self._ros_descriptors = {}, {}
        self._ros_overrides, self._ros_allow_undeclared = overrides, allow_undeclared
        self._ros_parameter_lock = threading.RLock()
        self._ros_pre_set_callbacks, self._ros_on_set_callbacks = [], []
        self._ros_post_set_callbacks = []
        self._ros_event_publisher = self.create_publisher(
            ParameterEvent, "/parameter_events", qos_profile_parameter_events
        )

    # ------------------------------------------------------------------------------- declaring

    def declare_parameter(self, name, value=None, descriptor=None, ignore_override=False):
        """Declare one parameter; `value` is its default, or a Parameter.Type without default."""
        parts = (name, value) if descriptor is None else (name, value, descriptor)
        return self.declare_parameters("", [parts], ignore_override)[0]

    def declare_parameters(self, namespace, parameters, ignore_override=False):
        """Declare (name, value[, descriptor]) tuples, `namespace` put before each name."""
        prepared = [self._ros_prepare(namespace, entry, ignore_override) for entry in parameters]
        with self._ros_parameter_lock:
            already = [p.name for p, _ in prepared if p.name in self._ros_parameters]
            if already:
                raise ParameterAlreadyDeclaredException(already)
            return [self._ros_declare(parameter, descriptor) for parameter, descriptor in prepared]

    def _ros_prepare(self, namespace, entry, ignore_override):
        if not isinstance(entry, tuple) or not 1 <= len(entry) <= 3:
            raise TypeError(f"a parameter is (name[, value[, descriptor]]), got {entry!r}")
        name, value, descriptor = (*entry, None, None)[:3]
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter must be a string, got {name!r}")
        if descriptor is None:
            descriptor = ParameterDescriptor(dynamic_typing=value is None)
        if not isinstance(descriptor, ParameterDescriptor):
            raise TypeError(f"descriptor must be a ParameterDescriptor, got {descriptor!r}")
        name = f"{namespace}.{name}" if namespace else name
        if not name or name.startswith(".") or name.endswith("."):
            raise InvalidParameterException(name)
        kind = value if isinstance(value, Parameter.Type) else None
        if kind is not None:
            if kind is Parameter.Type.NOT_SET and not descriptor.dynamic_typing:
                raise ValueError(f"Cannot declare parameter {name} statically typed as NOT_SET")
            value = None
        descriptor.name = name
        descriptor.type = int(Parameter.Type.from_parameter_value(value) if kind is None else kind)
        if not ignore_override and name in self._ros_overrides:
            value = self._ros_overrides[name]
        return self._ros_typed(name, descriptor, value), descriptor

    @staticmethod
    def _ros_typed(name, descriptor, value):
        """The parameter; an empty list, which has no type of its own, gets the declared type."""
        declared = Parameter.Type(descriptor.type)
        if isinstance(value, (list, tuple)) and not value and declared.check(value):
            return Parameter(name, declared, value)
        return Parameter(name, value=value)

    def _ros_declare(self, parameter, descriptor):
        unset = parameter.type_ is Parameter.Type.NOT_SET
        result = SetParametersResult(successful=True)
        if not unset or descriptor.dynamic_typing:
            result = self._ros_check(parameter, descriptor, declaring=True)
        if result.successful:
            result = self._ros_ask_on_set([parameter])
        if not result.successful:
            if result.reason.startswith(_WRONG_TYPE):
                expected = Parameter.Type(descriptor.type).name
                raise InvalidParameterTypeException(parameter, expected)
            raise InvalidParameterValueException(parameter.name, parameter.value, result.reason)
        self._ros_descriptors[parameter.name] = descriptor
        self._ros_store([parameter])
        return parameter

    def undeclare_parameter(self, name):
        with self._ros_parameter_lock:
            if name not in self._ros_parameters:
                raise ParameterNotDeclaredException(name)
            if self._ros_descriptors[name].read_only:
                raise ParameterImmutableException(name)
            del self._ros_parameters[name], self._ros_descriptors[name]

    def has_parameter(self, name):
        return name in self._ros_parameters

    # --------------------------------------------------------------------------------- reading

    def get_parameter(self, name):
        with self._ros_parameter_lock:
            if name not in self._ros_parameters:
                if self._ros_allow_undeclared:
                    return Parameter(name)
                raise ParameterNotDeclaredException(name)
            parameter = self._ros_parameters[name]
            unset = parameter.type_ is Parameter.Type.NOT_SET
            if unset and not self._ros_descriptors[name].dynamic_typing:
                raise ParameterUninitializedException(name)
            return parameter

    def get_parameters(self, names):
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter(name) for name in names]

    def get_parameter_or(self, name, alternative_value=None):
        """The parameter; `alternative_value` where it is not declared or not set."""
        parameter = self._ros_parameters.get(name)
        if parameter is None or parameter.type_ is Parameter.Type.NOT_SET:
            return Parameter(name) if alternative_value is None else alternative_value
        return parameter

    def get_parameters_by_prefix(self, prefix):
        """{rest of the name: parameter} of the parameters below `prefix`."""
        prefix = f"{prefix}." if prefix else ""
        with self._ros_parameter_lock:
            items = list(self._ros_parameters.items())
        return {name[len(prefix) :]: p for name, p in items if name.startswith(prefix)}

    def get_parameter_type(self, name):
        return self.get_parameter(name).type_

    def get_parameter_types(self, names):
        return [self.get_parameter_type(name) for name in names]

    def describe_parameter(self, name):
        if name in self._ros_descriptors:
            return self._ros_descriptors[name]
        if self._ros_allow_undeclared:
            return ParameterDescriptor()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names):
        return [self.describe_parameter(name) for name in names]

    # --------------------------------------------------------------------------------- setting

    def set_parameters(self, parameter_list):
        """Set one after the other; one SetParametersResult each."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list):
        """Set all or, when one is refused, none; returns one SetParametersResult."""
        with self._ros_parameter_lock:
            parameters = list(parameter_list)
            for callback in list(self._ros_pre_set_callbacks):
                parameters = list(callback(parameters))
                if not parameters:
                    reason = "parameter list cannot be empty, this might be due to pre set callback"
                    return SetParametersResult(successful=False, reason=reason)
            for parameter in parameters:
                if not isinstance(parameter, Parameter):
                    raise TypeError(f"parameters must be of type Parameter, got {parameter!r}")
            undeclared = [p.name for p in parameters if p.name not in self._ros_parameters]
            if undeclared and not self._ros_allow_undeclared:
                raise ParameterNotDeclaredException(undeclared)
            parameters = [self._ros_retyped(parameter) for parameter in parameters]
            for parameter in parameters:
                result = self._ros_check(parameter, self._ros_descriptor_of(parameter))
                if not result.successful:
                    return result
            result = self._ros_ask_on_set(parameters)
            if result.successful:
                for parameter in parameters:
                    self._ros_descriptors.setdefault(
                        parameter.name, self._ros_descriptor_of(parameter)
                    )
                self._ros_store(parameters)
            return result

    def _ros_retyped(self, parameter):
        descriptor = self._ros_descriptors.get(parameter.name)
        if descriptor is None or descriptor.dynamic_typing:
            return parameter
        return self._ros_typed(parameter.name, descriptor, parameter.value)

    def _ros_descriptor_of(self, parameter):
        dynamic = ParameterDescriptor(name=parameter.name, dynamic_typing=True)
        return self._ros_descriptors.get(parameter.name, dynamic)

    def _ros_check(self, parameter, descriptor, declaring=False):
        reason = _refusal(parameter, descriptor, declaring)
        return SetParametersResult(successful=not reason, reason=reason)

    def _ros_ask_on_set(self, parameters):
        for callback in list(self._ros_on_set_callbacks):
            result = callback(parameters)
            if not isinstance(result, SetParametersResult):
                self.get_logger().warning(
                    "Callback returned an invalid type, it should return SetParameterResult."
                )
                reason = "Callback returned an invalid type"
                return SetParametersResult(successful=False, reason=reason)
            if not result.successful:
                return result
        return SetParametersResult(successful=True)

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
        for callback in list(self._ros_post_set_callbacks):
            callback(parameters)
        self._ros_event_publisher.publish(event)

    # ------------------------------------------------------------------------------- callbacks

    def add_pre_set_parameters_callback(self, callback):
        self._ros_pre_set_callbacks.insert(0, callback)

    def add_on_set_parameters_callback(self, callback):
        self._ros_on_set_callbacks.insert(0, callback)

    def add_post_set_parameters_callback(self, callback):
        self._ros_post_set_callbacks.insert(0, callback)

    def remove_pre_set_parameters_callback(self, callback):
        self._ros_pre_set_callbacks.remove(callback)

    def remove_on_set_parameters_callback(self, callback):
        self._ros_on_set_callbacks.remove(callback)

    def remove_post_set_parameters_callback(self, callback):
        self._ros_post_set_callbacks.remove(callback)


def _refusal(parameter, descriptor, declaring):
    """Why a value does not suit its descriptor, "" when it does."""
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
        return ""
    if not limits.from_value <= value <= limits.to_value:
        return (
            f"Parameter {name} out of range. Min: {limits.from_value}, "
            f"Max: {limits.to_value}, value: {value}"
        )
    if value in (limits.from_value, limits.to_value) or on_step:
        return ""
    return (
        f"The parameter value for {name} is not a valid step. Min: {limits.from_value}, "
        f"max: {limits.to_value}, value: {value}, step: {limits.step}"
    )
