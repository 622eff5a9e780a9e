# SPDX-License-Identifier: Apache-2.0
"""Everybody who calls ground_once hears, however many they are and whatever happens meanwhile."""

import json
import threading
import time

import pytest
from std_srvs.srv import Trigger

CLIENTS = 20


def ask_all(world, camera, number=CLIENTS):
    """Have many clients ask at the same moment; return a function that waits for what they hear."""
    clients = [world.node.create_client(Trigger, "ground_once") for _ in range(number)]
    for client in clients:
        assert client.wait_for_service(timeout_sec=60)
    # A client that knows the service may not be known to it; an answer shows that it is.
    deadline_s = time.monotonic() + 60
    for client in clients:
        while not heard(client.call_async(Trigger.Request()), 5.0):
            assert time.monotonic() < deadline_s
    futures = [client.call_async(Trigger.Request()) for client in clients]

    def responses():
        assert all(heard(future, 60.0) for future in futures)
        return [future.result() for future in futures]

    return responses


def heard(future, timeout_s):
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(timeout_s)


def test_one_answer_serves_twenty_clients(world):
    world.perception([{"text": "[]", "delay_s": 0.3}], trigger__mode="on_demand")
    camera, _ = world.connected_camera()
    responses = ask_all(world, camera)()
    assert all(response.success for response in responses)
    answers = {json.dumps(json.loads(response.message)["stamp"]) for response in responses}
    assert len(answers) <= 3  # one that was under way, and one or two for all the others


def test_those_who_wait_hear_when_the_node_stops_asking(world):
    replies = [{"text": "[]", "delay_s": 0.1}] * CLIENTS + [{"text": "[]", "delay_s": 600.0}]
    world.perception(replies, trigger__mode="on_demand", generation__timeout_s=600.0)
    camera, _ = world.connected_camera()
    responses = ask_all(world, camera)
    world.change_state("deactivate")
    for response in responses():
        assert response.success or "stopped" in response.message or "not running" in \
            response.message  # fmt: skip


@pytest.mark.parametrize("number", [CLIENTS])
def test_before_there_is_a_frame_everybody_is_told(world, number):
    world.perception([{"text": "[]"}])
    for response in ask_all(world, None, number)():
        assert not response.success
        assert response.message == "no camera frame has come yet; check the image topic"
