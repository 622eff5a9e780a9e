# SPDX-License-Identifier: Apache-2.0
"""Everybody who calls ground_once hears, however many they are and whatever happens meanwhile."""

import json
import threading

import pytest
from std_srvs.srv import Trigger

from lfmvl_ros.ros import qos

from ..waiting import PATIENCE_S, until
from .conftest import values

CLIENTS = 20


def ask_all(world, number=CLIENTS, before=lambda: None):
    """Have many clients ask at the same moment; return a function that waits for what they hear."""
    # Each of them gets the responses to all, and drops those to others once it looks at them.
    clients = [
        world.node.create_client(Trigger, "ground_once", qos_profile=qos.own(qos.REQUESTS))
        for _ in range(number)
    ]
    for client in clients:
        assert client.wait_for_service(timeout_sec=PATIENCE_S)
    # A client that knows the service may not be known to it; an answer shows that it is.
    first = [client.call_async(Trigger.Request()) for client in clients]
    for client, future in zip(clients, first, strict=True):
        until(
            lambda c=client, f=future: (
                heard(f, 10.0) or heard(c.call_async(Trigger.Request()), 10.0)
            )
        )
    before()
    futures = [client.call_async(Trigger.Request()) for client in clients]

    def responses():
        assert all(heard(future, PATIENCE_S) for future in futures)
        return [future.result() for future in futures]

    return responses


def swap(world, recording):
    """Let another model answer."""
    assert world.set_parameters(model=str(recording)).successful
    world.health("model", lambda s: values(s)["model"] == recording.name)


def heard(future, timeout_s):
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(timeout_s)


def test_one_answer_serves_twenty_clients(world):
    world.perception([{"text": "[]", "delay_s": 1.0}], trigger__mode="on_demand")
    world.connected_camera()
    responses = ask_all(world)()
    assert all(response.success for response in responses)
    assert {json.loads(response.message)["status"] for response in responses} == {"empty"}
    # Twenty asked twice. An answer serves all who wait when it begins: two or three each time,
    # some more where the machine stands still while they ask.
    model = values(world.health_now("model"))
    assert 2 <= int(model["outcome.empty"]) < CLIENTS


def test_those_who_wait_hear_when_the_node_stops_asking(world):
    world.perception(
        [{"text": "[]", "delay_s": 0.1}], trigger__mode="on_demand", generation__timeout_s=600.0
    )
    world.connected_camera()
    slow = world.recording("slow", [{"text": "[]", "delay_s": 600.0}])
    responses = ask_all(world, before=lambda: swap(world, slow))
    world.change_state("deactivate")
    for response in responses():
        assert response.success or "stopped" in response.message or "not running" in \
            response.message  # fmt: skip


@pytest.mark.parametrize("number", [CLIENTS])
def test_before_there_is_a_frame_everybody_is_told(world, number):
    world.perception([{"text": "[]"}])
    for response in ask_all(world, number)():
        assert not response.success
        assert response.message == "no camera frame has come yet; check the image topic"
