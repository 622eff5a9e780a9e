# SPDX-License-Identifier: Apache-2.0
"""Parameters: a name, a type and a value."""

import array
import operator
from enum import IntEnum

import numpy as np
from rcl_interfaces.msg import Parameter as _ParameterMessage
from rcl_interfaces.msg import ParameterValue

from rclpy._entity import Incomplete

_SCALARS = ((bool, 1), (int, 2), (float, 3), (str, 4))


class Parameter(Incomplete):
    """A parameter; the type follows from the value where it is not given."""

    class Type(IntEnum):
        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

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
        """The Parameter of a message (arrays as lists)."""
        kind, value = cls.Type(param_msg.value.type), None
        if kind is not cls.Type.NOT_SET:
            value = getattr(param_msg.value, kind._field)
        return cls(param_msg.name, kind, list(value) if kind >= cls.Type.BYTE_ARRAY else value)

    def __init__(self, name, type_=None, value=None):
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError("type must be an instance of 'Parameter.Type'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._name, self._type, self._value = name, type_, value

    name = property(operator.attrgetter("_name"))
    type_ = property(operator.attrgetter("_type"))
    value = property(operator.attrgetter("_value"))

    def get_parameter_value(self):
        """The rcl_interfaces/ParameterValue message."""
        message = ParameterValue(type=int(self.type_))
        if self.type_ >= Parameter.Type.BYTE_ARRAY:
            numpy = isinstance(self.value, np.ndarray)
            setattr(message, self.type_._field, self.value.tolist() if numpy else list(self.value))
        elif self.type_ is not Parameter.Type.NOT_SET:
            setattr(message, self.type_._field, self.value)
        return message

    def to_parameter_msg(self):
        """The rcl_interfaces/Parameter message."""
        return _ParameterMessage(name=self.name, value=self.get_parameter_value())

    def __repr__(self):
        return f"Parameter(name={self.name!r}, type_={self.type_.name}, value={self.value!r})"
