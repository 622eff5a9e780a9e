# SPDX-License-Identifier: Apache-2.0
"""Managed nodes: directly and through their services."""

import pytest
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from std_msgs.msg import String

from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.node import Node

ROUND = ("configure", "activate", "deactivate", "cleanup")


class Managed(LifecycleNode):
    def __init__(self):
        super().__init__("managed")
        self.calls, self.outcome = [], {}

    def _answer(self, name, state):
        assert isinstance(state, State)
        self.calls.append((name, state.label))
        result = self.outcome.get(name, TransitionCallbackReturn.SUCCESS)
        if result == "raise":
            raise RuntimeError("on purpose")
        return result

    def on_configure(self, state):
        self.publisher = self.create_lifecycle_publisher(String, "text", 10)
        return self._answer("configure", state)

    def on_activate(self, state):
        super().on_activate(state)
        return self._answer("activate", state)

    def on_deactivate(self, state):
        super().on_deactivate(state)
        return self._answer("deactivate", state)

    def on_cleanup(self, state):
        self.destroy_lifecycle_publisher(self.publisher)
        return self._answer("cleanup", state)

    def on_shutdown(self, state):
        return self._answer("shutdown", state)

    def on_error(self, state):
        return self._answer("error", state)


def test_three_rounds_and_shutdown(ros):
    node = Managed()
    for _ in range(3):
        for name in ROUND:
            assert getattr(node, f"trigger_{name}")() == TransitionCallbackReturn.SUCCESS
    node.trigger_shutdown()
    before = ("unconfigured", "inactive", "active", "inactive")
    assert node.calls == [*zip(ROUND, before, strict=True)] * 3 + [("shutdown", "unconfigured")]


@pytest.mark.parametrize("name", ["activate", "deactivate", "cleanup"])
def test_impossible_transitions(ros, name):
    with pytest.raises(RuntimeError, match="unconfigured"):
        getattr(Managed(), f"trigger_{name}")()


def test_failure_stays_and_error_is_handled(ros, capfd):
    node = Managed()
    node.outcome["configure"] = TransitionCallbackReturn.FAILURE
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    node.outcome["configure"] = "raise"
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    assert "on purpose" in capfd.readouterr().err
    assert node.calls[-1] == ("error", "unconfigured")
    node.outcome = {"activate": TransitionCallbackReturn.ERROR}
    node.trigger_configure()
    node.trigger_activate()  # error, handled: unconfigured again
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    node.outcome = dict.fromkeys(("activate", "error"), TransitionCallbackReturn.ERROR)
    node.trigger_activate()  # the handler fails too: finalized
    with pytest.raises(RuntimeError, match="finalized"):
        node.trigger_configure()


def test_publisher_is_silent_unless_active(ros, spin_until):
    node, reader, received = Managed(), Node("reader"), []
    reader.create_subscription(String, "text", lambda m: received.append(m.data), 10)
    node.trigger_configure()
    assert spin_until(lambda: node.publisher.get_subscription_count() == 1, reader)
    node.publisher.publish(String(data="too early"))
    node.trigger_activate()
    node.publisher.publish(String(data="now"))
    assert spin_until(lambda: received, reader)
    node.trigger_deactivate()
    node.publisher.publish(String(data="too late"))
    assert not spin_until(lambda: len(received) > 1, reader, timeout_s=0.3)
    assert received == ["now"]


def test_services_and_events(ros, spin_until):
    node, client_node, events = Managed(), Node("client"), []
    client_node.create_subscription(TransitionEvent, "/managed/transition_event", events.append, 50)

    def call(kind, name, **fields):
        client = client_node.create_client(kind, f"/managed/{name}")
        assert client.wait_for_service(5)
        future = client.call_async(kind.Request(**fields))
        assert spin_until(future.done, node, client_node)
        return future.result()

    def change(**fields):
        return call(ChangeState, "change_state", transition=Transition(**fields)).success

    def state():
        return call(GetState, "get_state").current_state.label

    assert state() == "unconfigured"
    available = call(GetAvailableTransitions, "get_available_transitions").available_transitions
    assert [t.transition.label for t in available] == ["configure", "shutdown"]
    for _ in range(3):
        assert change(id=Transition.TRANSITION_CONFIGURE)
        assert state() == "inactive"
        assert change(label="activate")
        assert state() == "active"
        assert not change(id=Transition.TRANSITION_CONFIGURE)
        assert change(id=Transition.TRANSITION_DEACTIVATE)
        assert change(label="cleanup")
    assert change(id=Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state() == "finalized"
    assert len(call(GetAvailableStates, "get_available_states").available_states) == 11
    graph = call(GetAvailableTransitions, "get_transition_graph").available_transitions
    assert len(graph) == 25
    assert spin_until(lambda: len(events) == 26, client_node)
    labels = [(e.start_state.label, e.goal_state.label) for e in events[:2]]
    assert labels == [("unconfigured", "configuring"), ("configuring", "inactive")]
