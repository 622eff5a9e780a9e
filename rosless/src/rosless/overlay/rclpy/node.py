# SPDX-License-Identifier: Apache-2.0
"""Nodes."""

import threading

from rcl_interfaces.msg import Log

from rclpy import qos_overriding_options as _overriding
from rclpy._entity import Incomplete, refuse
from rclpy._graph_queries import GraphQueries
from rclpy._node_parameters import NodeParameters
from rclpy._parameter_services import offer_parameter_services
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
    NotInitializedException,
)
from rclpy.logging import RosoutHandler, get_logger
from rclpy.publisher import Publisher
from rclpy.qos import qos_from, qos_profile_rosout_default, qos_profile_services_default
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.time_source import TimeSource
from rclpy.timer import Timer
from rclpy.utilities import get_default_context
from rosless import rosargs


class Node(NodeParameters, GraphQueries, Incomplete):
    """Publishers, subscriptions, services, clients, timers and parameters under one name."""

    def __init__(
        self, node_name, *, context=None, cli_args=None, namespace=None, parameter_overrides=(),
        **missing,
    ):  # fmt: skip
        refuse(missing)
        self.context = get_default_context() if context is None else context
        if not self.context.ok():
            raise NotInitializedException("cannot create node")
        self._ros_graph = self.context._graph
        own = [rosargs.parse(cli_args)] if cli_args else []
        self._ros_arguments = [*own, self.context.args]  # remaps: the first that fits
        self._ros_set_names(node_name, namespace or "/")
        self._ros_entities, self.executor = (), None
        self._ros_lock = threading.RLock()
        self.default_callback_group = MutuallyExclusiveCallbackGroup()
        self._ros_logger = get_logger(self.get_fully_qualified_name()[1:].replace("/", "."))
        self._ros_clock = Clock(clock_type=ClockType.ROS_TIME)
        self._ros_rosout = self.create_publisher(Log, "/rosout", qos_profile_rosout_default)
        self._ros_rosout_handler = RosoutHandler(self._ros_logger, self._ros_publish_log)
        overrides = rosargs.overrides_for(
            reversed(self._ros_arguments), self.get_fully_qualified_name()
        )
        overrides.update({p.name: p.value for p in parameter_overrides or ()})
        self._ros_init_parameters(overrides)
        self._ros_time_source = TimeSource(self, self._ros_clock)
        offer_parameter_services(self)
        self._ros_graph.add_node(self)

    # ----------------------------------------------------------------------------------- names

    def _ros_set_names(self, node_name, namespace):
        name, space = rosargs.remapped_node(self._ros_arguments, node_name, namespace)
        space = space if space.startswith("/") else "/" + space
        for value, exception in (
            (name, InvalidNodeNameException),
            (space, InvalidNamespaceException),
        ):
            _check_name(value, exception, exception.name_type)
        self._ros_name, self._ros_namespace = name, space

    def get_name(self):
        """The name without namespace."""
        return self._ros_name

    def get_namespace(self):
        """The namespace, "/" when there is none."""
        return self._ros_namespace

    def get_fully_qualified_name(self):
        """Namespace and name."""
        return f"{self._ros_namespace.rstrip('/')}/{self._ros_name}"

    def resolve_topic_name(self, topic, *, only_expand=False):
        """Absolute name of a topic, after remapping unless `only_expand`."""
        return self._ros_resolve(topic, InvalidTopicNameException, only_expand)

    def resolve_service_name(self, service, *, only_expand=False):
        """Absolute name of a service, after remapping unless `only_expand`."""
        return self._ros_resolve(service, InvalidServiceNameException, only_expand)

    def _ros_resolve(self, name, exception, only_expand):
        _check_name(name, exception, "topic name")
        own = self._ros_name, self._ros_namespace
        full = rosargs.expand(name, *own)
        return full if only_expand else rosargs.remapped_topic(self._ros_arguments, full, *own)

    # -------------------------------------------------------------------------------- creating

    def create_publisher(
        self, msg_type, topic, qos_profile, *, callback_group=None, qos_overriding_options=None,
        publisher_class=Publisher, **missing,
    ):  # fmt: skip
        """A Publisher; `qos_profile` may be the depth alone."""
        refuse(missing)
        named = self._ros_topic("publisher", msg_type, topic, qos_profile, qos_overriding_options)
        return self._ros_add(publisher_class(self, callback_group, *named))

    def create_subscription(
        self, msg_type, topic, callback, qos_profile, *, callback_group=None,
        qos_overriding_options=None, **missing,
    ):  # fmt: skip
        """A Subscription; `callback` gets the message, and its info if it takes two arguments."""
        refuse(missing)
        named = self._ros_topic(
            "subscription", msg_type, topic, qos_profile, qos_overriding_options
        )
        return self._ros_add(Subscription(self, callback_group, *named, callback))

    def _ros_topic(self, kind, msg_type, topic, qos_profile, overriding):
        """Type, name and profile of a new publisher or subscription."""
        _check_type(msg_type, "message", "_definition")
        topic, profile = self.resolve_topic_name(topic), qos_from(qos_profile)
        if overriding is not None:
            _overriding.apply(self, kind, topic, profile, overriding)
        return msg_type, topic, profile

    def create_service(self, srv_type, srv_name, callback, **options):
        """A Service; `callback(request, response)` fills and returns the response."""
        return self._ros_create_service(Service, srv_type, srv_name, callback, **options)

    def create_client(self, srv_type, srv_name, **options):
        """A Client."""
        return self._ros_create_service(Client, srv_type, srv_name, **options)

    def _ros_create_service(
        self, kind, srv_type, srv_name, *callback, qos_profile=qos_profile_services_default,
        callback_group=None, **missing,
    ):  # fmt: skip
        refuse(missing)
        _check_type(srv_type, "service", "Request")
        name, profile = self.resolve_service_name(srv_name), qos_from(qos_profile)
        return self._ros_add(kind(self, callback_group, srv_type, name, profile, *callback))

    def create_timer(self, timer_period_sec, callback, callback_group=None, clock=None, **missing):
        """A Timer that runs from now on."""
        refuse(missing)
        period_ns, clock = int(float(timer_period_sec) * 10**9), clock or self._ros_clock
        return self._ros_add(Timer(self, callback_group, callback, period_ns, clock))

    def _ros_endpoint(self, prefix, name, kind):
        """The first arguments of a DDS reader or writer."""
        return self.context._participant, prefix + name, kind._definition.name

    def _ros_add(self, entity):
        with self._ros_lock:  # the tuple is replaced, never changed: executors iterate over it
            self._ros_entities = (*self._ros_entities, entity)
        self._ros_changed(entity)
        return entity

    # ------------------------------------------------------------------------------ destroying

    def _ros_destroy(self, entity):
        with self._ros_lock:
            kept = tuple(other for other in self._ros_entities if other is not entity)
            if len(kept) == len(self._ros_entities):
                return False
            self._ros_entities = kept
        self._ros_changed(entity)
        entity._close()
        return True

    destroy_publisher = destroy_subscription = destroy_service = _ros_destroy
    destroy_client = destroy_timer = _ros_destroy

    def destroy_node(self):
        """Destroy the node and everything created on it."""
        if self.executor is not None:
            self.executor.remove_node(self)
        self._ros_graph.remove_node(self)
        self._ros_rosout_handler.close()
        entities, self._ros_entities = self._ros_entities, ()
        for entity in entities:
            entity._close()

    # ---------------------------------------------------------------------------------- access

    def _ros_changed(self, entity):
        """Tell the graph and the executor of an entity that came or went."""
        if entity._endpoints:
            self._ros_graph.update_node(self)
        self._ros_wake_executor()

    def _ros_wake_executor(self):
        executor = self.executor
        if executor is not None:
            executor.wake()

    def get_logger(self):
        """The node's logger."""
        return self._ros_logger

    def get_clock(self):
        """The node's clock: ROS time."""
        return self._ros_clock

    def _ros_publish_log(self, record):
        gone = self._ros_rosout._writer.closed or self.context._graph is not self._ros_graph
        if gone or not self.context.ok():
            return
        log = Log(level=record.levelno, name=self._ros_logger.name, msg=record.getMessage())
        log.file, log.function, log.line = record.pathname, record.funcName, record.lineno
        log.stamp.sec, log.stamp.nanosec = divmod(int(record.created * 1e9), 10**9)
        self._ros_rosout.publish(log)


def _check_name(name, exception, kind):
    problem = rosargs.name_error(kind, name)
    if problem:
        raise exception(name, *problem)


def _check_type(kind, what, attribute):
    if not isinstance(kind, type) or not hasattr(kind, attribute):
        raise TypeError(f"{kind!r} is not a {what} type of ROS")
