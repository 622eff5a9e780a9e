# SPDX-License-Identifier: Apache-2.0
"""Exceptions of rclpy."""

from rclpy._rclpy_pybind11 import InvalidHandle  # noqa: F401


class NotInitializedException(Exception):
    def __init__(self, *details):
        super().__init__("rclpy.init() has not been called", *details)


class NameValidationException(Exception):
    """A name of a node, topic or service is invalid; `invalid_index` points into it."""

    def __init__(self, name_type, name, error_msg, invalid_index, *details):
        super().__init__(
            f"Invalid {name_type}: {error_msg}:\n  '{name}'\n   {' ' * invalid_index}^", *details
        )
        self.name_type, self.name = name_type, name
        self.error_msg, self.invalid_index = error_msg, invalid_index


def _name_exception(class_name, name_type):
    def __init__(self, name, error_msg, invalid_index, *details):
        NameValidationException.__init__(self, name_type, name, error_msg, invalid_index, *details)

    return type(class_name, (NameValidationException,), {"__init__": __init__})


InvalidNodeNameException = _name_exception("InvalidNodeNameException", "node name")
InvalidNamespaceException = _name_exception("InvalidNamespaceException", "namespace")
InvalidTopicNameException = _name_exception("InvalidTopicNameException", "topic name")
InvalidServiceNameException = _name_exception("InvalidServiceNameException", "service name")


class ParameterException(Exception):
    """Base of the errors about parameters."""

    def __init__(self, error_msg, parameters=(), *details):
        super().__init__(error_msg, parameters, *details)
        self._parameters = [parameters] if isinstance(parameters, str) else list(parameters)


class ParameterNotDeclaredException(ParameterException):
    def __init__(self, parameters, *details):
        super().__init__("Invalid access to undeclared parameter(s)", parameters, *details)


class ParameterAlreadyDeclaredException(ParameterException):
    def __init__(self, parameters, *details):
        super().__init__("Parameter(s) already declared", parameters, *details)


class ParameterUninitializedException(ParameterException):
    def __init__(self, parameter, *details):
        super().__init__(f"The parameter '{parameter}' is not initialized", parameter, *details)


class ParameterImmutableException(ParameterException):
    def __init__(self, parameter, *details):
        super().__init__("Attempted to modify read-only parameter", parameter, *details)


class InvalidParameterException(ParameterException):
    def __init__(self, parameter, *details):
        super().__init__("Invalid parameter name", parameter, *details)


class InvalidParameterValueException(ParameterException):
    def __init__(self, parameter, value, reason, *details):
        text = f"Invalid parameter value ({value}) for parameter '{parameter}'. Reason: {reason}"
        super().__init__(text, parameter, *details)


class InvalidParameterTypeException(ParameterException):
    def __init__(self, parameter, expected_type, *details):
        super().__init__(
            f"Trying to set parameter '{parameter.name}' to '{parameter.value}' of type "
            f"'{parameter.type_.name}', expecting type '{expected_type}'",
            parameter.name,
            *details,
        )
