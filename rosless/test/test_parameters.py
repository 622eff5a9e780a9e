# SPDX-License-Identifier: Apache-2.0
"""Parameters: declaring, checks, callbacks, services, files."""

import pytest
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterEvent,
    SetParametersResult,
)
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)

import rclpy
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

RATE = ParameterDescriptor(
    description="Hz", floating_point_range=[FloatingPointRange(from_value=0.5, to_value=30.0)]
)


def _refused(results, text):
    (result,) = results
    assert not result.successful
    assert text in result.reason


@pytest.fixture
def node(ros):
    node = Node("node")
    node.declare_parameter("rate", 10.0, RATE)
    node.declare_parameter("query", "box")
    node.declare_parameter("labels", ["a"])
    return node


def test_declared_values(node):
    assert node.get_parameter("rate").value == 10.0
    assert node.get_parameter("rate").type_ == Parameter.Type.DOUBLE
    assert node.has_parameter("query")
    assert [p.value for p in node.get_parameters(["query", "labels"])] == ["box", ["a"]]
    assert node.describe_parameter("rate").description == "Hz"
    with pytest.raises(ParameterNotDeclaredException):
        node.get_parameter("nothing")
    with pytest.raises(ParameterAlreadyDeclaredException):
        node.declare_parameter("rate", 3.0)


def test_ranges_types_and_read_only(node):
    _refused(node.set_parameters([Parameter("rate", value=31.0)]), "out of range")
    _refused(node.set_parameters([Parameter("rate", value=5)]), "Wrong parameter type")
    assert node.set_parameters([Parameter("rate", value=30.0)])[0].successful
    steps = ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=9, step=4)])
    node.declare_parameter("count", 4, steps)
    _refused(node.set_parameters([Parameter("count", value=5)]), "not a valid step")
    assert node.set_parameters([Parameter("count", value=9)])[0].successful  # the end is allowed
    node.declare_parameter("model", "m", ParameterDescriptor(read_only=True))
    _refused(node.set_parameters([Parameter("model", value="n")]), "read-only")
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("nothing", value=1)])
    with pytest.raises(InvalidParameterValueException):
        node.declare_parameter("other_rate", 100.0, RATE)
    assert node.set_parameters([Parameter("labels", value=[])])[0].successful
    assert node.get_parameter("labels").type_ == Parameter.Type.STRING_ARRAY


def test_dynamic_and_unset(ros):
    node = Node("node", parameter_overrides=[Parameter("given", value=3)])
    assert node.declare_parameter("given", Parameter.Type.INTEGER).value == 3
    node.declare_parameter("unset", Parameter.Type.INTEGER)
    with pytest.raises(ParameterUninitializedException):
        node.get_parameter("unset")
    node.declare_parameter("any", 1, ParameterDescriptor(dynamic_typing=True))
    assert node.set_parameters([Parameter("any", value="text")])[0].successful
    with pytest.raises(InvalidParameterTypeException):
        Node("other", parameter_overrides=[Parameter("x", value="3")]).declare_parameter("x", 3)


def test_all_or_nothing(node):
    good, bad = Parameter("query", value="tote"), Parameter("rate", value=99.0)
    assert not node.set_parameters_atomically([good, bad]).successful
    assert node.get_parameter("query").value == "box"
    assert [r.successful for r in node.set_parameters([good, bad])] == [True, False]
    assert node.get_parameter("query").value == "tote"


def test_callbacks(node):
    calls = []

    def check(parameters):
        calls.append(("on", [p.name for p in parameters], node.get_parameter("query").value))
        return SetParametersResult(successful=parameters[0].value != "bad", reason="not that")

    node.add_on_set_parameters_callback(check)
    assert node.set_parameters([Parameter("query", value="x")])[0].successful
    assert calls == [("on", ["query"], "box")]
    assert node.get_parameter("query").value == "x"
    _refused(node.set_parameters([Parameter("query", value="bad")]), "not that")
    assert calls[-1] == ("on", ["query"], "x")
    assert node.get_parameter("query").value == "x"
    node.add_on_set_parameters_callback(lambda _: SetParametersResult(successful=False))
    _refused(node.set_parameters([Parameter("query", value="y")]), "")  # asked first
    assert len(calls) == 2
    node.add_on_set_parameters_callback(lambda _: None)
    _refused(node.set_parameters([Parameter("query", value="y")]), "invalid type")


def test_services(node, spin_until):
    client_node = Node("client")

    def call(kind, name, **fields):
        client = client_node.create_client(kind, f"/node/{name}")
        assert client.wait_for_service(5)
        future = client.call_async(kind.Request(**fields))
        assert spin_until(future.done, node, client_node)
        return future.result()

    node.declare_parameters("tracker", [("age", 3), ("gate.size", 1.0)])
    names = call(ListParameters, "list_parameters").result
    assert {"rate", "tracker.age", "tracker.gate.size", "use_sim_time"} <= set(names.names)
    assert names.prefixes == ["tracker", "tracker.gate"]
    below = call(ListParameters, "list_parameters", prefixes=["tracker"], depth=1).result
    assert below.names == ["tracker.age"]
    values = call(GetParameters, "get_parameters", names=["rate", "labels"]).values
    assert values[0].double_value == 10.0
    assert values[1].string_array_value == ["a"]
    assert call(GetParameters, "get_parameters", names=["nothing"]).values == []
    types = call(GetParameterTypes, "get_parameter_types", names=["rate", "query"]).types
    assert list(types) == [3, 4]
    described = call(DescribeParameters, "describe_parameters", names=["rate"]).descriptors[0]
    assert described.floating_point_range[0].to_value == 30.0
    wanted = [Parameter("rate", value=v).to_parameter_msg() for v in (99.0, 5.0)]
    wanted.append(Parameter("nothing", value=1).to_parameter_msg())
    results = call(SetParameters, "set_parameters", parameters=wanted).results
    assert [r.successful for r in results] == [False, True, False]
    assert "out of range" in results[0].reason
    result = call(SetParametersAtomically, "set_parameters_atomically", parameters=wanted).result
    assert not result.successful
    assert node.get_parameter("rate").value == 5.0


def test_events(node, spin_until):
    events, watcher = [], Node("watcher")
    subscription = watcher.create_subscription(
        ParameterEvent, "/parameter_events", events.append, 10
    )
    # Two nodes of this process publish events.
    assert spin_until(lambda: subscription.get_publisher_count() == 2, watcher)
    node.set_parameters([Parameter("rate", value=2.0)])
    assert spin_until(lambda: events, watcher)
    assert events[0].node == "/node"
    assert events[0].changed_parameters[0].value.double_value == 2.0


def test_command_line_and_file(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    rate: 1.0\n    tracker: {age: 7, gate: {size: 1e-3}}\n"
        "/ns:\n  node:\n    ros__parameters: {query: 'yes', labels: [a, b], day: 2020-01-01}\n"
        "other:\n  ros__parameters: {rate: 9.0}\n"
    )
    arguments = ["prog", "own", "--ros-args", "--params-file", str(path), "-p", "rate:=2.5"]
    arguments += ["-p", "node:empty:=''", "-p", "other:query:=no", "-r", "__ns:=/ns", "--", "more"]
    rclpy.init(args=arguments, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        node = Node("node")
        names = ("rate", "tracker.age", "tracker.gate.size", "query", "labels", "day", "empty")
        values = {p.name: p.value for p in node.declare_parameters("", [(n,) for n in names])}
        assert values == {
            "rate": 2.5,
            "tracker.age": 7,
            "tracker.gate.size": 1e-3,
            "query": "yes",
            "labels": ["a", "b"],
            "day": "2020-01-01",
            "empty": None,  # for /node, and this is /ns/node
        }
        assert rclpy.utilities.remove_ros_args(arguments) == ["prog", "own", "more"]
    finally:
        rclpy.shutdown()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ros-args", "-p", "rate"],
        ["--ros-args", "-p"],
        ["--ros-args", "--params-file", "/nowhere.yaml"],
        ["--ros-args", "--no-such-option"],
        ["--ros-args", "--log-level", "loud"],
        ["--ros-args", "-p", "x:=[1, a]"],
    ],
)
def test_bad_command_lines(arguments):
    with pytest.raises(RuntimeError, match=r"ROS arg|cannot use"):
        rclpy.init(args=arguments)
