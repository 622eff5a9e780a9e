# SPDX-License-Identifier: Apache-2.0
"""Service servers, as ROS 2's Cyclone DDS layer puts them on the wire.

A service is two topics. Both payloads start with the client's writer handle (uint64) and a sequence
number (int64); a client drops replies whose handle is not its own.
"""

import struct
import time
import uuid

from cyclonedds.qos import Policy

from rclpy._entity import Entity
from rosless import dds
from rosless.messages import CdrError, deserialize, serialize

HEADER = struct.Struct("<Qq")
BODY_OFFSET = 4 + HEADER.size


class ServiceSide(Entity):
    """The two endpoints of a server or client; USER_DATA says that they belong together."""

    def __init__(self, node, group, srv_type, srv_name, qos_profile, callback=None):
        super().__init__(node, group, callback)
        self.srv_type, self.srv_name, self.qos_profile = srv_type, srv_name, qos_profile
        request = node._ros_endpoint("rq", f"{srv_name}Request", srv_type.Request)
        reply = node._ros_endpoint("rr", f"{srv_name}Reply", srv_type.Response)
        incoming, outgoing = (request, reply) if self._role == "service" else (reply, request)
        identity = ".".join(f"{byte:x}" for byte in uuid.uuid4().bytes)
        options = {"user_data": f"{self._role}id={identity};", "service_header": True}
        # The reader first: servers should know a client's before its first request.
        self._reader = dds.Reader(*incoming, qos_profile, **options)
        self._writer = dds.Writer(*outgoing, qos_profile, **options)
        self._endpoints, self._condition = [self._reader, self._writer], self._reader.condition


class Service(ServiceSide):
    """Made by Node.create_service. `malformed_count`: requests dropped as no valid CDR."""

    _role = "service"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._connected = set()  # writer handles of clients whose reply reader is connected

    def _take(self):
        """(request, header, client's writer handle) of the oldest request, None without one."""
        while (taken := self._reader.take()) is not None:
            data, info = taken
            try:
                request = deserialize(data, self.srv_type.Request, BODY_OFFSET)
            except CdrError as error:
                self._drop("request", f"to {self.srv_name}: {error}")
                continue
            return request, bytes(data[4:BODY_OFFSET]), info.publication_handle
        return None

    def _execute(self, taken):
        request, header, client = taken
        response = self.callback(request, self.srv_type.Response())
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(
                f"the callback of service {self.srv_name} must return a "
                f"{self.srv_type.__name__}.Response, got {type(response).__name__}"
            )
        if not self._writer.closed:  # destroyed by its own callback
            self._await_connection(client)
            self._writer.write(serialize(response, header))

    def _await_connection(self, client, timeout_s=0.5):
        """Wait until the client's reply reader is discovered, else its first reply is lost."""
        wanted = None
        if client not in self._connected:
            wanted = _client_id(self._reader.get_matched_publication_data(client))
        deadline = time.monotonic() + timeout_s
        while wanted and time.monotonic() < deadline:
            readers = map(self._writer.get_matched_subscription_data, self._writer.matched())
            if wanted in map(_client_id, readers):
                if len(self._connected) > 1000:  # clients long gone, most of them
                    self._connected.clear()
                self._connected.add(client)
                return
            time.sleep(0.005)


def _client_id(endpoint):
    """The `clientid=…` of an endpoint's USER_DATA, None without one."""
    known = endpoint is not None and Policy.Userdata in endpoint.qos
    parts = bytes(endpoint.qos[Policy.Userdata].data).split(b";") if known else []
    return next((part for part in parts if part.startswith(b"clientid=")), None)
