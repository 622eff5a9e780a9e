# SPDX-License-Identifier: Apache-2.0
"""The part of Node that answers questions about the ROS graph."""

from rclpy.topic_endpoint_info import TopicEndpointInfo, TopicEndpointTypeEnum
from rosless.graph import ros_type


class GraphQueries:
    """Questions about nodes, topics and services; names are expanded, not remapped."""

    def count_publishers(self, topic_name):
        return self._graph.count(f"rt{self._full(topic_name)}", publishers=True)

    def count_subscribers(self, topic_name):
        return self._graph.count(f"rt{self._full(topic_name)}", publishers=False)

    def count_services(self, service_name):
        return self._graph.count(f"rq{self._full(service_name)}Request", publishers=False)

    def count_clients(self, service_name):
        return self._graph.count(f"rq{self._full(service_name)}Request", publishers=True)

    def _full(self, name):
        return self.resolve_topic_name(name, only_expand=True)

    def get_topic_names_and_types(self, no_demangle=False):
        if no_demangle:
            raise NotImplementedError("no_demangle is not supplied by rosless: it needs ROS 2")
        return self._graph.names_and_types()

    def get_service_names_and_types(self):
        return self._graph.names_and_types("rq", "Request")

    def get_node_names(self):
        return [name for name, _, _ in self._graph.nodes()]

    def get_node_names_and_namespaces(self):
        return [(name, namespace) for name, namespace, _ in self._graph.nodes()]

    def get_publishers_info_by_topic(self, topic_name, no_mangle=False):
        return self._infos(topic_name, True)

    def get_subscriptions_info_by_topic(self, topic_name, no_mangle=False):
        return self._infos(topic_name, False)

    def _infos(self, topic_name, publishers):
        topic = f"rt{self._full(topic_name)}"
        nodes = self._graph.nodes()
        endpoints = self._graph.endpoints(publishers=publishers, with_qos=True)
        return [_info(e, nodes, publishers) for e in endpoints if e.topic == topic]


def _info(endpoint, nodes, is_publisher):
    owners = [(name, space) for name, space, guids in nodes if endpoint.guid in guids]
    name, namespace = owners[0] if owners else ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_")
    kinds = TopicEndpointTypeEnum
    return TopicEndpointInfo(
        node_name=name,
        node_namespace=namespace,
        topic_type=ros_type(endpoint.type),
        endpoint_type=kinds.PUBLISHER if is_publisher else kinds.SUBSCRIPTION,
        endpoint_gid=list(endpoint.guid),
        qos_profile=_profile(endpoint.qos),
    )


def _profile(qos):
    """The QoSProfile of discovered DDS policies (history is not announced)."""
    from cyclonedds.qos import Policy

    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

    best_effort = Policy.Reliability.BestEffort in qos
    latched = Policy.Durability.TransientLocal in qos
    return QoSProfile(
        history=HistoryPolicy.UNKNOWN,
        depth=0,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
