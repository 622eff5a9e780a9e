# SPDX-License-Identifier: Apache-2.0
"""The ROS graph: which nodes, topics and endpoints there are.

Endpoints come from DDS discovery (its built-in topics). To which node an endpoint belongs is told
by the topic `ros_discovery_info`, on which every ROS 2 participant publishes its own nodes.
"""

import threading

import numpy as np
from cyclonedds._clayer import ddspy_read_endpoint, ddspy_read_participant

from rosless import dds
from rosless.messages import CdrError, deserialize, interface_class, serialize

# Pseudo handles of the built-in topics, see DDS_BUILTIN_TOPIC_* in Cyclone DDS' dds.h.
_PARTICIPANTS, _PUBLICATIONS, _SUBSCRIPTIONS = (0x7FFF0000 + n for n in (1, 3, 4))
_ALIVE = 16
_INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"


class Graph:
    """Announces the nodes of this participant and answers questions about all."""

    def __init__(self, participant):
        from rclpy.qos import DurabilityPolicy, QoSProfile

        self._participant = participant
        self._lock = threading.RLock()
        self._nodes = {}  # node object -> its endpoints
        self._remote = {}  # GUID of a participant -> its newest announcement
        self._builtin = {}
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

    def add_node(self, node, endpoints):
        with self._lock:
            self._nodes[node] = list(endpoints)
            self._announce()

    def remove_node(self, node):
        with self._lock:
            if self._nodes.pop(node, None) is not None:
                self._announce()

    def add_endpoints(self, node, endpoints):
        with self._lock:
            if node in self._nodes:
                self._nodes[node] += endpoints
                self._announce()

    def remove_endpoints(self, node, endpoints):
        with self._lock:
            if node in self._nodes:
                self._nodes[node] = [e for e in self._nodes[node] if e not in endpoints]
                self._announce()

    def _announce(self):
        if not self._writer.ref:
            return
        message = interface_class(_INFO)()
        message.gid = _gid(self._participant.guid)
        node_info = interface_class("rmw_dds_common/msg/NodeEntitiesInfo")
        for node, endpoints in self._nodes.items():
            info = node_info(node_namespace=node.get_namespace(), node_name=node.get_name())
            for endpoint in endpoints:
                is_reader = isinstance(endpoint, dds.Reader)
                gids = info.reader_gid_seq if is_reader else info.writer_gid_seq
                gids.append(_gid(endpoint.guid))
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
        ref = self._builtin_reader(_PARTICIPANTS)
        alive = ddspy_read_participant(ref, 1000, _alive_participant, _no_qos)
        self._remote = {guid: m for guid, m in self._remote.items() if guid in alive}
        return [info for m in self._remote.values() for info in m.node_entities_info_seq]

    def endpoints(self, *, publishers):
        """(topic, type) of all endpoints of the domain, DDS names."""
        ref = self._builtin_reader(_PUBLICATIONS if publishers else _SUBSCRIPTIONS)
        found = ddspy_read_endpoint(ref, 10000, _endpoint, _no_qos)
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

    def _builtin_reader(self, topic):
        with self._lock:
            if topic not in self._builtin:
                self._builtin[topic] = dds.builtin_reader(self._participant, topic)
            return self._builtin[topic]


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
