# SPDX-License-Identifier: Apache-2.0
"""Exceptions of rclpy."""

from rclpy._rclpy_pybind11 import InvalidHandle  # noqa: F401


class NotInitializedException(Exception):
    def __init__(self, *details):
        super().__init__("rclpy.init() has not been called", *details)


class NameValidationException(Exception):
    """A name of a node, topic or service is invalid; `invalid_index` points into it."""

    def __init__(self, name, error_msg, invalid_index):
        pointer = f"{error_msg}:\n  '{name}'\n   {' ' * invalid_index}^"
        super().__init__(f"Invalid {self.name_type}: {pointer}")
        self.name, self.error_msg, self.invalid_index = name, error_msg, invalid_index


class InvalidNodeNameException(NameValidationException):
    name_type = "node name"


class InvalidNamespaceException(NameValidationException):
    name_type = "namespace"


class InvalidTopicNameException(NameValidationException):
    name_type = "topic name"


class InvalidServiceNameException(NameValidationException):
    name_type = "service name"


class ParameterException(Exception):
    """Base of the errors about parameters."""

    _text = "Error about parameter(s)"

    def __init__(self, parameters, text=None):
        super().__init__(text or self._text, parameters)


class ParameterNotDeclaredException(ParameterException):
    _text = "Invalid access to undeclared parameter(s)"


class ParameterAlreadyDeclaredException(ParameterException):
    _text = "Parameter(s) already declared"


class ParameterUninitializedException(ParameterException):
    _text = "The parameter is not initialized"


class InvalidParameterException(ParameterException):
    _text = "Invalid parameter name"


class InvalidParameterValueException(ParameterException):
    def __init__(self, parameter, value, reason):
        text = f"Invalid parameter value ({value}) for parameter '{parameter}'. Reason: {reason}"
        super().__init__(parameter, text)


class InvalidParameterTypeException(ParameterException):
    def __init__(self, parameter, expected_type):
        text = f"Trying to set parameter '{parameter.name}' to '{parameter.value}' of type "
        text += f"'{parameter.type_.name}', expecting type '{expected_type}'"
        super().__init__(parameter.name, text)
