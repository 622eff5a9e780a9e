# SPDX-License-Identifier: Apache-2.0
"""Managed nodes: configure, activate, deactivate, cleanup, shutdown.

The state machine is the one of the ROS 2 design article "Managed nodes": a transition leads through
a state in which the node's callback runs, whose return value chooses the next state.
"""

import functools
import operator
import threading
import traceback
from enum import IntEnum
from functools import partialmethod
from typing import NamedTuple

from lifecycle_msgs import srv
from lifecycle_msgs.msg import State as _StateMessage
from lifecycle_msgs.msg import Transition, TransitionDescription, TransitionEvent

from rclpy._rclpy_pybind11 import RCLError
from rclpy.node import Node
from rclpy.publisher import Publisher

_GetTransitions = srv.GetAvailableTransitions
_STATES = {  # id -> label; the constants are PRIMARY_STATE_… and TRANSITION_STATE_…
    number: name.partition("_STATE_")[2].lower()
    for name, number in _StateMessage._definition.constants.items()
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


class State(NamedTuple):
    """A state, as transition callbacks get the previous one."""

    label: str
    state_id: int


class LifecyclePublisher(Publisher):
    """Publishes only while its node is active."""

    _active = _told = False
    is_activated = property(operator.attrgetter("_active"))

    def publish(self, msg):
        """Publish a message; while the node is not active, warn once instead."""
        if self._active:
            super().publish(msg)
        elif not self._told:
            self._told = True
            text = f"nothing is published on {self.topic_name!r}: the node is not active"
            self._node.get_logger().warning(text)


class LifecycleNode(Node):
    """A managed node; override on_configure, on_activate and so on."""

    def __init__(self, node_name, **options):
        super().__init__(node_name, **options)
        self._ros_state, self._ros_managed = 1, []
        self._ros_transition_lock = threading.RLock()
        self._ros_events = self.create_publisher(TransitionEvent, "~/transition_event", 10)
        for kind, name, field, value in (
            (srv.ChangeState, "change_state", "success", self._ros_asked_to_change),
            (srv.GetState, "get_state", "current_state", lambda _: _state(self._ros_state)),
            (srv.GetAvailableStates, "get_available_states", "available_states", _all_states),
            (_GetTransitions, "get_available_transitions", "available_transitions", self._ros_here),
            (_GetTransitions, "get_transition_graph", "available_transitions", _all_transitions),
        ):
            self.create_service(kind, f"~/{name}", functools.partial(_answer, field, value))

    def create_lifecycle_publisher(self, *args, **kwargs):
        """Like create_publisher; the publisher follows the node's transitions."""
        publisher = self.create_publisher(*args, publisher_class=LifecyclePublisher, **kwargs)
        publisher._active = self._ros_state == 3
        self._ros_managed.append(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher):
        """Destroy it; False when it was destroyed before."""
        if publisher in self._ros_managed:
            self._ros_managed.remove(publisher)
        return self.destroy_publisher(publisher)

    # --------------------------------------------------------------------------- default callbacks

    def on_configure(self, state):
        """Called by the transition, like the others; returns a TransitionCallbackReturn."""
        return TransitionCallbackReturn.SUCCESS

    on_cleanup = on_shutdown = on_error = on_configure

    def _ros_set_active(self, active, state):
        for publisher in self._ros_managed:
            publisher._active = active
        return TransitionCallbackReturn.SUCCESS

    on_activate = partialmethod(_ros_set_active, True)
    on_deactivate = partialmethod(_ros_set_active, False)

    # -------------------------------------------------------------------------------- transitions

    def _ros_trigger(self, wanted):
        """Run a transition, given by label or id; RCLError when the state does not allow it."""
        with self._ros_transition_lock:
            for transition in _PUBLIC:
                if transition[2] == self._ros_state and wanted in transition[:2]:
                    return self._ros_change(transition)
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
        previous = State(_STATES[transition[2]], transition[2])
        self._ros_move(transition)
        result = self._ros_call(previous)
        if result == TransitionCallbackReturn.ERROR:
            self._ros_call(previous)  # on_error
        return result

    def _ros_call(self, previous):
        """Run the callback of the state and take the transition that its result chooses."""
        name = _CALLBACKS[self._ros_state]
        try:
            result = TransitionCallbackReturn(getattr(self, name)(previous))
        except Exception:
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
            result = TransitionCallbackReturn.ERROR
        label = _LABELS[result - TransitionCallbackReturn.SUCCESS]
        self._ros_move(next(t for t in _TRANSITIONS if t[1:3] == (label, self._ros_state)))
        return result

    def _ros_move(self, transition):
        """Enter the transition's goal state and tell it on ~/transition_event."""
        self._ros_state = transition[3]
        described = _description(transition)
        event = TransitionEvent(timestamp=self.get_clock().now().nanoseconds)
        for field in ("transition", "start_state", "goal_state"):
            setattr(event, field, getattr(described, field))
        self._ros_events.publish(event)

    # ----------------------------------------------------------------------------------- services

    def _ros_asked_to_change(self, request):
        wanted = request.transition.label or request.transition.id
        try:
            return self._ros_trigger(wanted) == TransitionCallbackReturn.SUCCESS
        except RCLError as error:
            self.get_logger().warning(str(error))
            return False

    def _ros_here(self, request):
        return [_description(t) for t in _TRANSITIONS if t[2] == self._ros_state]


def _answer(field, value, request, response):
    setattr(response, field, value(request))
    return response


def _state(number):
    return _StateMessage(id=number, label=_STATES[number])


def _all_states(request):
    return list(map(_state, _STATES))


def _all_transitions(request):
    return list(map(_description, _TRANSITIONS))


def _description(transition):
    number, label, start, goal = transition
    return TransitionDescription(
        transition=Transition(id=number, label=label),
        start_state=_state(start),
        goal_state=_state(goal),
    )
