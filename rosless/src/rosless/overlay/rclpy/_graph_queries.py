# SPDX-License-Identifier: Apache-2.0
"""The part of Node that answers questions about the ROS graph."""


class GraphQueries:
    """Questions about nodes, topics and services; names are expanded, not remapped."""

    def count_publishers(self, topic_name):
        """How many publishers a topic has in the whole domain."""
        return self._ros_graph.count(f"rt{self._ros_full(topic_name)}", publishers=True)

    def count_subscribers(self, topic_name):
        """How many subscriptions a topic has in the whole domain."""
        return self._ros_graph.count(f"rt{self._ros_full(topic_name)}", publishers=False)

    def count_services(self, service_name):
        """How many servers a service has in the whole domain."""
        return self._ros_graph.count(f"rq{self._ros_full(service_name)}Request", publishers=False)

    def _ros_full(self, name):
        return self.resolve_topic_name(name, only_expand=True)

    def get_topic_names_and_types(self):
        """[(topic, [types])] of the domain."""
        return self._ros_graph.names_and_types()

    def get_service_names_and_types(self):
        """[(service, [types])] of the domain."""
        return self._ros_graph.names_and_types("rq", "Request")

    def get_node_names(self):
        """The names of all nodes of the domain."""
        return [name for name, _ in self._ros_graph.nodes()]

    def get_node_names_and_namespaces(self):
        """[(name, namespace)] of all nodes of the domain."""
        return self._ros_graph.nodes()
