# SPDX-License-Identifier: Apache-2.0
"""Managed nodes: configure, activate, deactivate, cleanup, shutdown.

The state machine is the one of the ROS 2 design article "Managed nodes": a transition leads through
a state in which the node's callback runs, whose return value chooses the next state.
"""

import threading
import traceback
from dataclasses import dataclass
from enum import IntEnum
from functools import partialmethod

from lifecycle_msgs.msg import State as StateMessage
from lifecycle_msgs.msg import Transition, TransitionDescription, TransitionEvent
from lifecycle_msgs.srv import (
    ChangeState,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
)

from rclpy._rclpy_pybind11 import RCLError
from rclpy.node import Node
from rclpy.publisher import Publisher

_STATES = {  # id -> label; the constants are PRIMARY_STATE_… and TRANSITION_STATE_…
    number: name.partition("_STATE_")[2].lower()
    for name, number in StateMessage._definition.constants.items()
}
_PUBLIC = (  # (id, label, from, through): what a user may trigger
    (1, "configure", 1, 10),
    (2, "cleanup", 2, 11),
    (3, "activate", 2, 13),
    (4, "deactivate", 3, 14),
    (5, "shutdown", 1, 12),
    (6, "shutdown", 2, 12),
    (7, "shutdown", 3, 12),
)
_OUTCOMES = (  # (first id, through, state after success, failure, error)
    (10, 10, 2, 1, 15),
    (20, 11, 1, 2, 15),
    (30, 13, 3, 2, 15),
    (40, 14, 2, 3, 15),
    (50, 12, 4, 4, 15),
    (60, 15, 1, 4, 4),
)
_LABELS = ("transition_success", "transition_failure", "transition_error")
_TRANSITIONS = _PUBLIC + tuple(
    (first + number, _LABELS[number], through, goals[number])
    for first, through, *goals in _OUTCOMES
    for number in range(3)
)
_CALLBACKS = {through: f"on_{label}" for _, label, _, through in _PUBLIC} | {15: "on_error"}


class TransitionCallbackReturn(IntEnum):
    """What a transition callback returns."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99

    def to_label(self):
        return _LABELS[self - 97]


@dataclass(frozen=True)
class LifecycleState:
    """A state, as transition callbacks get the previous one."""

    label: str
    state_id: int


State = LifecycleState  # rclpy exports it under both names


class ManagedEntity:
    """Something whose callbacks follow the transitions of a LifecycleNode."""

    def on_configure(self, state):
        return TransitionCallbackReturn.SUCCESS

    on_cleanup = on_shutdown = on_activate = on_deactivate = on_error = on_configure


class SimpleManagedEntity(ManagedEntity):
    """Knows whether its node is active."""

    _enabled = False

    @property
    def is_activated(self):
        return self._enabled

    def on_activate(self, state):
        self._enabled = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state):
        self._enabled = False
        return TransitionCallbackReturn.SUCCESS


class LifecyclePublisher(SimpleManagedEntity, Publisher):
    """Publishes only while its node is active."""

    def publish(self, msg):
        if not self._enabled:
            self._node.get_logger().warning(
                f"Trying to publish message on the topic '{self.topic_name}', "
                "but the publisher is not activated",
                once=True,
            )
            return
        super().publish(msg)


class LifecycleNodeMixin(ManagedEntity):
    """The state machine, its services and its event topic, for a class that is also a Node."""

    def _ros_init_lifecycle(self, enable_communication_interface):
        self._ros_state = 1
        self._ros_managed_entities = []
        self._ros_transition_lock = threading.RLock()
        self._ros_transition_publisher = None
        if not enable_communication_interface:
            return
        self._ros_transition_publisher = self.create_publisher(
            TransitionEvent, "~/transition_event", 10
        )
        for kind, name, handler in (
            (ChangeState, "change_state", self._ros_on_change_state),
            (GetState, "get_state", self._ros_on_get_state),
            (GetAvailableStates, "get_available_states", self._ros_on_get_available_states),
            (GetAvailableTransitions, "get_available_transitions", self._ros_on_get_available),
            (GetAvailableTransitions, "get_transition_graph", self._ros_on_get_graph),
        ):
            self.create_service(kind, f"~/{name}", handler)

    # --------------------------------------------------------------------------- default callbacks

    def add_managed_entity(self, entity):
        self._ros_managed_entities.append(entity)

    def _ros_all(self, callback, state):
        for entity in list(self._ros_managed_entities):
            result = getattr(entity, callback)(state)
            if result != TransitionCallbackReturn.SUCCESS:
                return result
        return TransitionCallbackReturn.SUCCESS

    on_configure = partialmethod(_ros_all, "on_configure")
    on_cleanup = partialmethod(_ros_all, "on_cleanup")
    on_shutdown = partialmethod(_ros_all, "on_shutdown")
    on_activate = partialmethod(_ros_all, "on_activate")
    on_deactivate = partialmethod(_ros_all, "on_deactivate")
    on_error = partialmethod(_ros_all, "on_error")

    def create_lifecycle_publisher(self, *args, **kwargs):
        """Like create_publisher; the publisher follows the node's transitions."""
        publisher = self.create_publisher(*args, publisher_class=LifecyclePublisher, **kwargs)
        publisher._enabled = self._ros_state == 3
        self.add_managed_entity(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher):
        if publisher in self._ros_managed_entities:
            self._ros_managed_entities.remove(publisher)
        return self.destroy_publisher(publisher)

    # -------------------------------------------------------------------------------- transitions

    def _ros_trigger(self, wanted):
        """Run a transition, given by label or id; RCLError when the state does not allow it."""
        with self._ros_transition_lock:
            for number, label, start, through in _PUBLIC:
                if start == self._ros_state and wanted in (number, label):
                    return self._ros_change((number, label, start, through))
        raise RCLError(
            f"Failed to trigger lifecycle state machine transition: no transition {wanted!r} "
            f"from state {_STATES[self._ros_state]!r} of node {self.get_name()!r}"
        )

    trigger_configure = partialmethod(_ros_trigger, "configure")
    trigger_cleanup = partialmethod(_ros_trigger, "cleanup")
    trigger_activate = partialmethod(_ros_trigger, "activate")
    trigger_deactivate = partialmethod(_ros_trigger, "deactivate")
    trigger_shutdown = partialmethod(_ros_trigger, "shutdown")

    def _ros_change(self, transition):
        previous = LifecycleState(_STATES[transition[2]], transition[2])
        self._ros_move(transition)
        result = self._ros_call(previous)
        self._ros_finish(result)
        if result == TransitionCallbackReturn.ERROR:
            self._ros_finish(self._ros_call(previous))
        return result

    def _ros_call(self, previous):
        callback = getattr(self, _CALLBACKS[self._ros_state])
        try:
            return TransitionCallbackReturn(callback(previous))
        except Exception:
            name = _CALLBACKS[self._ros_state]
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    def _ros_finish(self, result):
        label = result.to_label()
        self._ros_move(next(t for t in _TRANSITIONS if t[1] == label and t[2] == self._ros_state))

    def _ros_move(self, transition):
        """Enter the transition's goal state and tell it on ~/transition_event."""
        self._ros_state = transition[3]
        if self._ros_transition_publisher is not None:
            described = _description(transition)
            event = TransitionEvent(timestamp=self.get_clock().now().nanoseconds)
            for field in ("transition", "start_state", "goal_state"):
                setattr(event, field, getattr(described, field))
            self._ros_transition_publisher.publish(event)

    # ----------------------------------------------------------------------------------- services

    def _ros_on_change_state(self, request, response):
        wanted = request.transition.label or request.transition.id
        try:
            response.success = self._ros_trigger(wanted) == TransitionCallbackReturn.SUCCESS
        except RCLError as error:
            self.get_logger().warning(str(error))
            response.success = False
        return response

    def _ros_on_get_state(self, request, response):
        response.current_state = StateMessage(id=self._ros_state, label=_STATES[self._ros_state])
        return response

    def _ros_on_get_available_states(self, request, response):
        response.available_states = [
            StateMessage(id=n, label=label) for n, label in _STATES.items()
        ]
        return response

    def _ros_on_get_available(self, request, response):
        here = (t for t in _TRANSITIONS if t[2] == self._ros_state)
        response.available_transitions = list(map(_description, here))
        return response

    def _ros_on_get_graph(self, request, response):
        response.available_transitions = list(map(_description, _TRANSITIONS))
        return response


class LifecycleNode(LifecycleNodeMixin, Node):
    """A managed node; override on_configure, on_activate and so on."""

    def __init__(self, node_name, *, enable_communication_interface=True, **kwargs):
        super().__init__(node_name, **kwargs)
        self._ros_init_lifecycle(enable_communication_interface)


def _description(transition):
    number, label, start, goal = transition
    return TransitionDescription(
        transition=Transition(id=number, label=label),
        start_state=StateMessage(id=start, label=_STATES[start]),
        goal_state=StateMessage(id=goal, label=_STATES[goal]),
    )
