# SPDX-License-Identifier: Apache-2.0
"""Services and clients between processes."""

import threading

import pytest
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

import rclpy
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import HEADER, Service

SERVER = """
import rclpy
from rclpy.node import Node
from rclpy.service import HEADER
from std_srvs.srv import SetBool

def answer(request, response):
    response.success = request.data
    response.message = "on" if request.data else "off"
    return response

rclpy.init()
node = Node("server")
node.create_service(SetBool, "enable", answer)
rclpy.spin(node)
"""


def test_calls_between_processes(process, ros):
    process(SERVER)
    node = Node("client")
    client = node.create_client(SetBool, "enable")
    assert not client.service_is_ready()
    assert client.wait_for_service(timeout_sec=10)
    for wanted in (True, False, True):
        future = client.call_async(SetBool.Request(data=wanted))
        rclpy.spin_until_future_complete(node, future, timeout_sec=5)
        assert future.result().success is wanted
        assert future.result().message == ("on" if wanted else "off")


def test_first_call_of_every_new_client_is_answered(process, ros):
    process(SERVER)
    node = Node("client")
    for _ in range(10):
        client = node.create_client(SetBool, "enable")
        assert client.wait_for_service(timeout_sec=10)
        future = client.call_async(SetBool.Request(data=True))
        rclpy.spin_until_future_complete(node, future, timeout_sec=5)
        assert future.done()
        client.destroy()


def test_replies_reach_only_the_caller(ros):
    server, nodes = Node("server"), [Node("one"), Node("two")]

    def count(request, response):
        response.message = str(len(seen))
        seen.append(request)
        return response

    seen = []
    server.create_service(Trigger, "count", count)
    executor = SingleThreadedExecutor()
    for node in (server, *nodes):
        executor.add_node(node)
    clients = [node.create_client(Trigger, "count") for node in nodes]
    assert all(client.wait_for_service(5) for client in clients)
    futures = [client.call_async(Trigger.Request()) for client in clients * 5]
    for future in futures:
        executor.spin_until_future_complete(future, timeout_sec=5)
    assert sorted(int(future.result().message) for future in futures) == list(range(10))


def test_blocking_call_from_a_callback(ros):
    """The classic: a service callback that itself calls a service, in another group."""
    from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

    node = Node("node")
    group = MutuallyExclusiveCallbackGroup()
    inner = node.create_client(Trigger, "inner", callback_group=group)

    def outer(request, response):
        response.message = inner.call(Trigger.Request(), timeout_sec=5).message + "!"
        return response

    def answer(request, response):
        response.message = "inner"
        return response

    node.create_service(Trigger, "inner", answer, callback_group=MutuallyExclusiveCallbackGroup())
    node.create_service(Trigger, "outer", outer)
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    caller = Node("caller")
    client = caller.create_client(Trigger, "outer")
    assert client.wait_for_service(5)
    future = client.call_async(Trigger.Request())
    rclpy.spin_until_future_complete(caller, future, timeout_sec=5)
    assert future.result().message == "inner!"
    executor.shutdown()
    executor.spin_once()  # does nothing
    thread.join(2)
    assert not thread.is_alive()


def test_timeouts_and_wrong_types(ros):
    node = Node("node")
    client = node.create_client(Trigger, "nowhere")
    assert not client.wait_for_service(timeout_sec=0.1)
    with pytest.raises(TimeoutError):
        client.call(Trigger.Request(), timeout_sec=0.1)
    with pytest.raises(TypeError):
        client.call_async(SetBool.Request())
    with pytest.raises(TypeError):
        node.create_service(String, "x", print)
    future = client.call_async(Trigger.Request())
    node.destroy_client(client)
    assert future.cancelled()


def test_malformed_request_is_dropped(ros, spin_until):
    node = Node("node", namespace="target")
    services = [entity for entity in node._ros_entities if isinstance(entity, Service)]
    service = next(s for s in services if s.srv_name.endswith("/get_parameters"))
    client = node.create_client(GetParameters, "/target/node/get_parameters")
    assert client.wait_for_service(5)
    header = HEADER.pack(client._writer.handle, 1)
    body = bytes.fromhex("01000000 02000000 ff000000")  # one name of one byte
    client._writer.write(bytearray(b"\0\1\0\0" + header + body))
    assert spin_until(lambda: service.malformed_count == 1, node)
    future = client.call_async(GetParameters.Request(names=["use_sim_time"]))
    assert spin_until(future.done, node)
    assert future.result().values[0].type == 1
