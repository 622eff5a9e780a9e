# SPDX-License-Identifier: Apache-2.0
"""The services by which `ros2 param` reads and sets a node's parameters."""

import functools

from rcl_interfaces import srv
from rcl_interfaces.msg import SetParametersResult

from rclpy.exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameters


def offer_parameter_services(node):
    """Create the six parameter services of `node`."""
    for kind, name, handler in (
        (srv.DescribeParameters, "describe_parameters", _describe),
        (srv.GetParameters, "get_parameters", _get),
        (srv.GetParameterTypes, "get_parameter_types", _get_types),
        (srv.ListParameters, "list_parameters", _list),
        (srv.SetParameters, "set_parameters", _set),
        (srv.SetParametersAtomically, "set_parameters_atomically", _set_atomically),
    ):
        answer = functools.partial(_answer, node, handler)
        node.create_service(kind, f"~/{name}", answer, qos_profile=qos_profile_parameters)


def _answer(node, handler, request, response):
    """The response that `handler` fills, empty where parameters are not there."""
    try:
        handler(node, request, response)
    except (ParameterNotDeclaredException, ParameterUninitializedException) as error:
        node.get_logger().warning(f"{handler.__name__[1:]} parameters: {error}")
    return response


def _describe(node, request, response):
    response.descriptors = [node.describe_parameter(name) for name in request.names]


def _get(node, request, response):
    response.values = [p.get_parameter_value() for p in node.get_parameters(request.names)]


def _get_types(node, request, response):
    response.types = [int(parameter.type_) for parameter in node.get_parameters(request.names)]


def _list(node, request, response):
    """Names at most `depth` levels deep, below one of the prefixes where there are any."""
    result, prefixes = response.result, set()
    unlimited = request.depth == srv.ListParameters.Request.DEPTH_RECURSIVE
    for name in sorted(node._ros_parameters):
        below = [p for p in request.prefixes if name == p or name.startswith(p + ".")]
        rest = min((name[len(p) :] for p in below), key=len, default="." + name)
        fits = unlimited or rest.count(".") <= request.depth
        if fits and (below or not request.prefixes):
            result.names.append(name)
            prefixes |= {name.rpartition(".")[0]} - {""}
    result.prefixes = sorted(prefixes)


def _set(node, request, response):
    response.results = [_set_all(node, [message]) for message in request.parameters]


def _set_atomically(node, request, response):
    response.result = _set_all(node, request.parameters)


def _set_all(node, messages):
    try:
        parameters = [Parameter.from_parameter_msg(message) for message in messages]
        return node.set_parameters_atomically(parameters)
    except (ParameterNotDeclaredException, ValueError) as error:
        node.get_logger().warning(f"set parameters: {error}")
        return SetParametersResult(successful=False, reason=str(error))
