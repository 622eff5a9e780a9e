# SPDX-License-Identifier: Apache-2.0
"""The ROS graph: which nodes, topics and endpoints there are.

Endpoints come from DDS discovery (its built-in topics). To which node an endpoint belongs is told
by the topic `ros_discovery_info`, on which every ROS 2 participant publishes its own nodes.
"""

import threading

import numpy as np
from cyclonedds._clayer import ddspy_read_endpoint, ddspy_read_participant
from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)

from rosless import dds
from rosless.messages import CdrError, deserialize, interface_class, serialize

_ALIVE = 16
_INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"


class Graph:
    """Announces the nodes of this participant and answers questions about all."""

    def __init__(self, participant):
        from rclpy.qos import DurabilityPolicy, QoSProfile

        self._participant = participant
        self._lock = threading.RLock()
        self._nodes = []
        self._remote = {}  # GUID of a participant -> its newest announcement
        self._participants, self._publications, self._subscriptions = (
            BuiltinDataReader(participant.entity, topic)
            for topic in (
                BuiltinTopicDcpsParticipant,
                BuiltinTopicDcpsPublication,
                BuiltinTopicDcpsSubscription,
            )
        )
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._writer = dds.Writer(participant, "ros_discovery_info", _INFO, latched)
        latched.depth = 1000  # read when asked for, so it is bounded
        self._reader = dds.Reader(
            participant, "ros_discovery_info", _INFO, latched, ignore_local=True
        )

    def close(self):
        with self._lock:
            self._writer.close()
            self._reader.close()

    # ---------------------------------------------------------------- what this participant has

    def add_node(self, node):
        with self._lock:
            self._nodes.append(node)
            self._announce()

    def remove_node(self, node):
        with self._lock:
            self._nodes = [other for other in self._nodes if other is not node]
            self._announce()

    def update_node(self, node):
        """Tell everybody that the endpoints of a node have changed."""
        with self._lock:
            if node in self._nodes:
                self._announce()

    def _announce(self):
        if self._writer.closed:
            return
        message = interface_class(_INFO)()
        message.gid = _gid(self._participant.gid)
        node_info = interface_class("rmw_dds_common/msg/NodeEntitiesInfo")
        for node in self._nodes:
            info = node_info(node_namespace=node.get_namespace(), node_name=node.get_name())
            for endpoint in (e for entity in node._ros_entities for e in entity._endpoints):
                is_reader = isinstance(endpoint, dds.Reader)
                gids = info.reader_gid_seq if is_reader else info.writer_gid_seq
                gids.append(_gid(endpoint.gid))
            message.node_entities_info_seq.append(info)
        self._writer.write(serialize(message))

    # ------------------------------------------------------------------------------- questions

    def nodes(self):
        """[(name, namespace)] of all nodes known."""
        with self._lock:
            own = [(node.get_name(), node.get_namespace()) for node in self._nodes]
            return own + [(info.node_name, info.node_namespace) for info in self._remote_infos()]

    def _remote_infos(self):
        while (taken := self._reader.take()) is not None:
            try:
                message = deserialize(taken[0], interface_class(_INFO))
            except CdrError:
                continue
            self._remote[bytes(message.gid.data)] = message
        ref = self._participants._ref
        alive = ddspy_read_participant(ref, 1000, _alive_participant, _no_qos)
        self._remote = {guid: m for guid, m in self._remote.items() if guid in alive}
        return [info for m in self._remote.values() for info in m.node_entities_info_seq]

    def endpoints(self, *, publishers):
        """(topic, type) of all endpoints of the domain, DDS names."""
        reader = self._publications if publishers else self._subscriptions
        found = ddspy_read_endpoint(reader._ref, 10000, _endpoint, _no_qos)
        return [e for e in found if e is not None] if isinstance(found, list) else []

    def names_and_types(self, prefix="rt", suffix=""):
        """[(name, [types])], sorted; prefix and suffix are those of DDS topic names."""
        found = {}
        for name, kind in self.endpoints(publishers=True) + self.endpoints(publishers=False):
            if name.startswith(prefix + "/") and name.endswith(suffix):
                name = name[len(prefix) : len(name) - len(suffix)]
                found.setdefault(name, set()).add(_ros_type(kind))
        return [(name, sorted(kinds)) for name, kinds in sorted(found.items())]

    def count(self, topic, *, publishers):
        """Number of endpoints with the DDS topic name `topic`."""
        return sum(name == topic for name, _ in self.endpoints(publishers=publishers))


def _ros_type(name):
    """`std_msgs::msg::dds_::String_` -> `std_msgs/msg/String`, services without their suffix."""
    name = name.replace("::dds_::", "/").replace("::", "/").rstrip("_")
    return name.replace("_Request", "").replace("_Response", "") if "/srv/" in name else name


def _gid(guid):
    gid = interface_class("rmw_dds_common/msg/Gid")()
    gid.data = np.frombuffer(guid, np.uint8)
    return gid


def _no_qos(pointer):
    return None


def _endpoint(key, participant, handle, topic, type_name, qos, info, type_id):
    """Called by the binding for each endpoint; None for one that is gone."""
    if info.instance_state != _ALIVE or not topic:
        return None
    return topic, type_name


def _alive_participant(key, qos, info):
    return bytes(key) if info.instance_state == _ALIVE else None
