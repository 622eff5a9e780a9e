# SPDX-License-Identifier: Apache-2.0
"""Nodes."""

import threading
import weakref

from rcl_interfaces.msg import Log

from rclpy import qos_overriding_options as _qos_overriding_options
from rclpy._entity import Incomplete
from rclpy._graph_queries import GraphQueries
from rclpy._node_parameters import NodeParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.client import Client
from rclpy.clock import ROSClock
from rclpy.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
    NotInitializedException,
)
from rclpy.guard_condition import GuardCondition
from rclpy.logging import _rosout, get_logger
from rclpy.parameter_service import ParameterService
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
        self,
        node_name,
        *,
        context=None,
        cli_args=None,
        namespace=None,
        use_global_arguments=True,
        enable_rosout=True,
        rosout_qos_profile=qos_profile_rosout_default,
        start_parameter_services=True,
        parameter_overrides=None,
        allow_undeclared_parameters=False,
        automatically_declare_parameters_from_overrides=False,
    ):
        self._ros_context = get_default_context() if context is None else context
        if not self._ros_context.ok():
            raise NotInitializedException("cannot create node")
        self._ros_participant = self._ros_context._participant
        self._ros_graph = self._ros_context._graph
        own = [rosargs.parse(cli_args)] if cli_args else []
        common = [self._ros_context.args] if use_global_arguments else []
        self._ros_arguments = own + common  # remaps: the first that fits
        self._ros_set_names(node_name, namespace)
        self._ros_entities, self._ros_executor = (), None
        self._ros_lock = threading.RLock()
        self._ros_default_callback_group = MutuallyExclusiveCallbackGroup()
        self._ros_logger = get_logger(self.get_fully_qualified_name()[1:].replace("/", "."))
        self._ros_clock = ROSClock()
        overrides = rosargs.overrides_for(common + own, self.get_fully_qualified_name())
        overrides.update({p.name: p.value for p in parameter_overrides or ()})
        if enable_rosout:
            self._ros_start_rosout(rosout_qos_profile)
        self._ros_init_parameters(overrides, allow_undeclared_parameters)
        if automatically_declare_parameters_from_overrides:
            self.declare_parameters("", list(overrides.items()), ignore_override=True)
        self._ros_time_source = TimeSource(self, self._ros_clock)
        if start_parameter_services:
            self._ros_parameter_service = ParameterService(self)
        self._ros_graph.add_node(self)

    # ----------------------------------------------------------------------------------- names

    def _ros_set_names(self, node_name, namespace):
        name, space = rosargs.remapped_node(self._ros_arguments, node_name, namespace or "/")
        space = space if space.startswith("/") else "/" + space
        problem = rosargs.name_error("node name", name)
        if problem:
            raise InvalidNodeNameException(name, *problem)
        problem = rosargs.name_error("namespace", space)
        if problem:
            raise InvalidNamespaceException(space, *problem)
        self._ros_name, self._ros_namespace = name, space

    def get_name(self):
        return self._ros_name

    def get_namespace(self):
        return self._ros_namespace

    def get_fully_qualified_name(self):
        return f"{self._ros_namespace.rstrip('/')}/{self._ros_name}"

    def resolve_topic_name(self, topic, *, only_expand=False):
        """Absolute name of a topic, after remapping unless `only_expand`."""
        return self._ros_resolve(topic, InvalidTopicNameException, only_expand)

    def resolve_service_name(self, service, *, only_expand=False):
        return self._ros_resolve(service, InvalidServiceNameException, only_expand)

    def _ros_resolve(self, name, exception, only_expand=False):
        problem = rosargs.name_error("topic name", name)
        if problem:
            raise exception(name, *problem)
        full = rosargs.expand(name, self._ros_name, self._ros_namespace)
        if only_expand:
            return full
        return rosargs.remapped_topic(
            self._ros_arguments, full, self.get_name(), self.get_namespace()
        )

    # -------------------------------------------------------------------------------- creating

    def create_publisher(
        self,
        msg_type,
        topic,
        qos_profile,
        *,
        callback_group=None,
        event_callbacks=None,
        qos_overriding_options=None,
        publisher_class=Publisher,
    ):
        topic, profile = self._ros_topic(
            "publisher", msg_type, topic, qos_profile, event_callbacks, qos_overriding_options
        )
        group = callback_group or self._ros_default_callback_group
        return self._ros_add(publisher_class(self, msg_type, topic, profile, group))

    def create_subscription(
        self,
        msg_type,
        topic,
        callback,
        qos_profile,
        *,
        callback_group=None,
        event_callbacks=None,
        qos_overriding_options=None,
        raw=False,
    ):
        topic, profile = self._ros_topic(
            "subscription", msg_type, topic, qos_profile, event_callbacks, qos_overriding_options
        )
        group = callback_group or self._ros_default_callback_group
        return self._ros_add(Subscription(self, msg_type, topic, callback, profile, group, raw))

    def _ros_topic(self, kind, msg_type, topic, qos_profile, event_callbacks, overriding):
        """Name and profile of a new publisher or subscription."""
        _check_type(msg_type, "message", "_definition")
        if event_callbacks is not None:
            raise NotImplementedError("event callbacks are not supplied by rosless: use ROS 2")
        topic, profile = self.resolve_topic_name(topic), qos_from(qos_profile)
        if overriding is None:
            return topic, profile
        return topic, _qos_overriding_options.apply(self, kind, topic, profile, overriding)

    def create_service(
        self,
        srv_type,
        srv_name,
        callback,
        *,
        qos_profile=qos_profile_services_default,
        callback_group=None,
    ):
        _check_type(srv_type, "service", "Request")
        name = self.resolve_service_name(srv_name)
        group = callback_group or self._ros_default_callback_group
        return self._ros_add(Service(self, srv_type, name, callback, group, qos_from(qos_profile)))

    def create_client(
        self,
        srv_type,
        srv_name,
        *,
        qos_profile=qos_profile_services_default,
        callback_group=None,
    ):
        _check_type(srv_type, "service", "Request")
        name = self.resolve_service_name(srv_name)
        group = callback_group or self._ros_default_callback_group
        return self._ros_add(Client(self, srv_type, name, qos_from(qos_profile), group))

    def create_timer(
        self, timer_period_sec, callback, callback_group=None, clock=None, autostart=True
    ):
        period_ns = int(float(timer_period_sec) * 10**9)
        group = callback_group or self._ros_default_callback_group
        clock = self._ros_clock if clock is None else clock
        return self._ros_add(Timer(self, callback, group, period_ns, clock, autostart))

    def create_guard_condition(self, callback, callback_group=None):
        group = callback_group or self._ros_default_callback_group
        return self._ros_add(GuardCondition(self, callback, group))

    def _ros_add(self, entity):
        with self._ros_lock:  # the tuple is replaced, never changed: executors iterate over it
            self._ros_entities = (*self._ros_entities, entity)
        if entity._endpoints:
            self._ros_graph.update_node(self)
        self._ros_wake_executor()
        return entity

    # ------------------------------------------------------------------------------ destroying

    def _ros_destroy(self, entity):
        with self._ros_lock:
            kept = tuple(other for other in self._ros_entities if other is not entity)
            if len(kept) == len(self._ros_entities):
                return False
            self._ros_entities = kept
        if entity._endpoints:
            self._ros_graph.update_node(self)
        entity._close()
        self._ros_wake_executor()
        return True

    destroy_publisher = destroy_subscription = destroy_service = _ros_destroy
    destroy_client = destroy_timer = destroy_guard_condition = _ros_destroy

    def destroy_node(self):
        """Destroy the node and everything created on it."""
        executor = self.executor
        if executor is not None:
            executor.remove_node(self)
        self._ros_graph.remove_node(self)
        entities, self._ros_entities = self._ros_entities, ()
        for entity in entities:
            entity._close()
        if _rosout.get(self._ros_logger.name) == self._ros_publish_log:
            del _rosout[self._ros_logger.name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy_node()

    # ---------------------------------------------------------------------------------- access

    @property
    def executor(self):
        return self._ros_executor() if self._ros_executor is not None else None

    @executor.setter
    def executor(self, new):
        current = self.executor
        if new is None:
            self._ros_executor = None
            return
        if current is not None and current is not new:
            current.remove_node(self)
        self._ros_executor = weakref.ref(new)
        new.add_node(self)

    def _ros_wake_executor(self):
        executor = self.executor
        if executor is not None:
            executor.wake()

    @property
    def context(self):
        return self._ros_context

    @property
    def default_callback_group(self):
        return self._ros_default_callback_group

    def get_logger(self):
        return self._ros_logger

    def get_clock(self):
        return self._ros_clock

    def _ros_of_kind(self, kind):
        return (entity for entity in self._ros_entities if isinstance(entity, kind))

    publishers = property(lambda self: self._ros_of_kind(Publisher))
    subscriptions = property(lambda self: self._ros_of_kind(Subscription))
    services = property(lambda self: self._ros_of_kind(Service))
    clients = property(lambda self: self._ros_of_kind(Client))
    timers = property(lambda self: self._ros_of_kind(Timer))
    guards = property(lambda self: self._ros_of_kind(GuardCondition))

    # ---------------------------------------------------------------------------------- rosout

    def _ros_start_rosout(self, profile):
        self._ros_rosout_publisher = self.create_publisher(Log, "/rosout", profile)
        _rosout[self._ros_logger.name] = self._ros_publish_log

    def _ros_publish_log(self, now_ns, severity, name, text, place):
        if not self._ros_context.ok() or self._ros_rosout_publisher._writer.closed:
            return
        file, function, line = place
        log = Log(level=int(severity), name=name, msg=text, file=file, function=function, line=line)
        log.stamp.sec, log.stamp.nanosec = divmod(now_ns, 10**9)
        self._ros_rosout_publisher.publish(log)


def _check_type(kind, what, attribute):
    if not isinstance(kind, type) or not hasattr(kind, attribute):
        raise TypeError(f"{kind!r} is not a {what} type of ROS")
