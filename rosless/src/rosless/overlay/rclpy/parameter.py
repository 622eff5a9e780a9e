# SPDX-License-Identifier: Apache-2.0
"""Parameters: a name, a type and a value."""

import array
from enum import IntEnum

import numpy as np
from rcl_interfaces.msg import Parameter as _ParameterMessage
from rcl_interfaces.msg import (
    ParameterDescriptor,  # noqa: F401  (programs import it from here)
    ParameterType,
    ParameterValue,
)

PARAMETER_SEPARATOR_STRING = "."
_SCALARS = ((bool, 1), (int, 2), (float, 3), (str, 4))


class Parameter:
    """A parameter; the type follows from the value where it is not given."""

    class Type(IntEnum):
        NOT_SET = ParameterType.PARAMETER_NOT_SET
        BOOL = ParameterType.PARAMETER_BOOL
        INTEGER = ParameterType.PARAMETER_INTEGER
        DOUBLE = ParameterType.PARAMETER_DOUBLE
        STRING = ParameterType.PARAMETER_STRING
        BYTE_ARRAY = ParameterType.PARAMETER_BYTE_ARRAY
        BOOL_ARRAY = ParameterType.PARAMETER_BOOL_ARRAY
        INTEGER_ARRAY = ParameterType.PARAMETER_INTEGER_ARRAY
        DOUBLE_ARRAY = ParameterType.PARAMETER_DOUBLE_ARRAY
        STRING_ARRAY = ParameterType.PARAMETER_STRING_ARRAY

        @property
        def _field(self):
            """The field of ParameterValue that holds a value of this type."""
            return f"{self.name.lower()}_value"

        @classmethod
        def from_parameter_value(cls, value):
            """The type of a Python value; an empty list is a BYTE_ARRAY, as in rclpy."""
            if value is None:
                return cls.NOT_SET
            for kind, number in _SCALARS:
                if isinstance(value, kind):
                    return cls(number)
            if isinstance(value, (list, tuple, array.array, np.ndarray)):
                return cls._of_items(value)
            raise TypeError(f"The given value is not one of the allowed types '{value}'.")

        @classmethod
        def _of_items(cls, value):
            if all(isinstance(item, bytes) for item in value):
                return cls.BYTE_ARRAY
            for kind, number in _SCALARS:
                if all(isinstance(item, kind) for item in value):
                    return cls(number + 5)
            raise TypeError(f"The given value is not a list of one allowed type '{value}'.")

        def check(self, value):
            """True when `value` suits this type."""
            return self == Parameter.Type.from_parameter_value(value) or (
                isinstance(value, (list, tuple)) and not value and self >= Parameter.Type.BYTE_ARRAY
            )

    @classmethod
    def from_parameter_msg(cls, param_msg):
        kind = cls.Type(param_msg.value.type)
        return cls(param_msg.name, kind, parameter_value_to_python(param_msg.value))

    def __init__(self, name, type_=None, value=None):
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError("type must be an instance of 'Parameter.Type'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._type_, self._name, self._value = type_, name, value

    @property
    def name(self):
        return self._name

    @property
    def type_(self):
        return self._type_

    @property
    def value(self):
        return self._value

    def get_parameter_value(self):
        """The rcl_interfaces/ParameterValue message."""
        message = ParameterValue(type=int(self._type_))
        if self._type_ != Parameter.Type.NOT_SET:
            value = self._value
            if self._type_ >= Parameter.Type.BYTE_ARRAY and not isinstance(value, array.array):
                value = value.tolist() if isinstance(value, np.ndarray) else list(value)
            setattr(message, self._type_._field, value)
        return message

    def to_parameter_msg(self):
        return _ParameterMessage(name=self._name, value=self.get_parameter_value())

    def __eq__(self, other):
        return isinstance(other, Parameter) and (self.name, self.type_, self.value) == (
            other.name,
            other.type_,
            other.value,
        )

    __hash__ = None

    def __repr__(self):
        return f"Parameter(name={self._name!r}, type_={self._type_.name}, value={self._value!r})"


def parameter_value_to_python(parameter_value):
    """The Python value of a ParameterValue message (arrays as lists), None when not set."""
    if parameter_value.type == ParameterType.PARAMETER_NOT_SET:
        return None
    kind = Parameter.Type(parameter_value.type)
    value = getattr(parameter_value, kind._field)
    return list(value) if kind >= Parameter.Type.BYTE_ARRAY else value
