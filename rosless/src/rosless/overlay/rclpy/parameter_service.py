# SPDX-License-Identifier: Apache-2.0
"""The services by which `ros2 param` reads and sets a node's parameters."""

from rcl_interfaces.msg import ListParametersResult, SetParametersResult
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)

from rclpy.exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from rclpy.parameter import PARAMETER_SEPARATOR_STRING, Parameter
from rclpy.qos import qos_profile_parameters


class ParameterService:
    """Offers the six parameter services of `node`."""

    def __init__(self, node):
        self._node = node
        for kind, name, handler in (
            (DescribeParameters, "describe_parameters", self._describe),
            (GetParameters, "get_parameters", self._get),
            (GetParameterTypes, "get_parameter_types", self._get_types),
            (ListParameters, "list_parameters", self._list),
            (SetParameters, "set_parameters", self._set),
            (SetParametersAtomically, "set_parameters_atomically", self._set_atomically),
        ):
            node.create_service(kind, f"~/{name}", handler, qos_profile=qos_profile_parameters)

    def _describe(self, request, response):
        try:
            response.descriptors = self._node.describe_parameters(request.names)
        except ParameterNotDeclaredException as error:
            self._warn(f"Failed to describe parameters: {error}")
        return response

    def _get(self, request, response):
        try:
            parameters = self._node.get_parameters(request.names)
            response.values = [parameter.get_parameter_value() for parameter in parameters]
        except (ParameterNotDeclaredException, ParameterUninitializedException) as error:
            self._warn(f"Failed to get parameters: {error}")
        return response

    def _get_types(self, request, response):
        try:
            kinds = self._node.get_parameter_types(request.names)
            response.types = [int(kind) for kind in kinds]
        except (ParameterNotDeclaredException, ParameterUninitializedException) as error:
            self._warn(f"Failed to get parameter types: {error}")
        return response

    def _list(self, request, response):
        """Names at most `depth` levels deep, below one of the prefixes where there are any."""
        result = ListParametersResult()
        prefixes = set()
        unlimited = request.depth == ListParameters.Request.DEPTH_RECURSIVE
        for name in sorted(self._node._ros_parameters):
            below = [p for p in request.prefixes if name == p or name.startswith(p + ".")]
            if request.prefixes and not below:
                continue
            rest = min((name[len(p) :] for p in below), key=len, default="." + name)
            if not unlimited and rest.count(PARAMETER_SEPARATOR_STRING) > request.depth:
                continue
            result.names.append(name)
            if PARAMETER_SEPARATOR_STRING in name:
                prefixes.add(name.rpartition(PARAMETER_SEPARATOR_STRING)[0])
        result.prefixes = sorted(prefixes)
        response.result = result
        return response

    def _set(self, request, response):
        response.results = [self._set_all([message]) for message in request.parameters]
        return response

    def _set_atomically(self, request, response):
        response.result = self._set_all(request.parameters)
        return response

    def _set_all(self, messages):
        try:
            parameters = [Parameter.from_parameter_msg(message) for message in messages]
            return self._node.set_parameters_atomically(parameters)
        except (ParameterNotDeclaredException, ValueError) as error:
            self._warn(f"Failed to set parameters: {error}")
            return SetParametersResult(successful=False, reason=str(error))

    def _warn(self, text):
        self._node.get_logger().warning(text)
