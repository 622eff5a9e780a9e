# SPDX-License-Identifier: Apache-2.0
"""Service servers, as ROS 2's Cyclone DDS layer puts them on the wire.

A service is two topics. Both payloads start with the client's writer handle (uint64) and a sequence
number (int64); a client drops replies whose handle is not its own.
"""

import inspect
import struct
import time
import uuid

from cyclonedds._clayer import (
    ddspy_get_matched_publication_data,
    ddspy_get_matched_subscription_data,
)
from cyclonedds.builtin_types import cqos_to_qos
from cyclonedds.qos import Policy

from rosless import dds
from rosless.messages import CdrError, deserialize, serialize

HEADER = struct.Struct("<Qq")
BODY_OFFSET = 4 + HEADER.size


def new_user_data(role):
    """USER_DATA that marks the two endpoints of one client or server as belonging together."""
    return f"{role}id={'.'.join(f'{byte:x}' for byte in uuid.uuid4().bytes)};"


class Service:
    """Made by Node.create_service."""

    def __init__(self, node, srv_type, srv_name, callback, callback_group, qos_profile):
        self._node, self.srv_type, self.srv_name = node, srv_type, srv_name
        self.service_name, self.callback, self.callback_group = srv_name, callback, callback_group
        self.qos_profile, self.malformed_count = qos_profile, 0
        options = {"user_data": new_user_data("service"), "service_header": True}
        participant = node._ros_participant
        reply, request = (t._definition.name for t in (srv_type.Response, srv_type.Request))
        topic = f"rr{srv_name}Reply"
        self._writer = dds.Writer(participant, topic, reply, qos_profile, **options)
        topic = f"rq{srv_name}Request"
        self._reader = dds.Reader(participant, topic, request, qos_profile, **options)
        self._endpoints = [self._writer, self._reader]
        self._condition = self._reader.condition
        self._connected = set()  # writer handles of clients whose reply reader is connected

    @property
    def logger_name(self):
        return self._node.get_logger().name

    def _take(self):
        """(request, header, client's writer handle) of the oldest request, None without one."""
        while (taken := self._reader.take()) is not None:
            data, info = taken
            try:
                request = deserialize(data, self.srv_type.Request, BODY_OFFSET)
            except CdrError as error:
                self.malformed_count += 1
                self._node.get_logger().error(
                    f"dropped malformed request {self.malformed_count} to {self.srv_name}: {error}",
                    throttle_duration_sec=1.0,
                )
                continue
            return request, bytes(data[4:BODY_OFFSET]), info.publication_handle
        return None

    def _execute(self, taken):
        request, header, client = taken
        response = self.callback(request, self.srv_type.Response())
        if inspect.iscoroutine(response):
            return self._reply_later(response, header, client)
        return self._reply(response, header, client)

    async def _reply_later(self, coroutine, header, client):
        self._reply(await coroutine, header, client)

    def _reply(self, response, header, client):
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(
                f"the callback of service {self.srv_name} must return a "
                f"{self.srv_type.__name__}.Response, got {type(response).__name__}"
            )
        if not self._writer.ref:
            return  # destroyed by its own callback
        self._await_connection(client)
        self._writer.write(serialize(response, header))

    def _await_connection(self, client, timeout_s=0.5):
        """Wait until the client's reply reader is discovered, else its first reply is lost."""
        if client in self._connected:
            return
        data = ddspy_get_matched_publication_data(self._reader.ref, client, _client_id, cqos_to_qos)
        deadline = time.monotonic() + timeout_s
        while data and time.monotonic() < deadline:
            for handle in self._writer.matched_handles():
                reader = ddspy_get_matched_subscription_data(
                    self._writer.ref, handle, _client_id, cqos_to_qos
                )
                if reader == data:
                    if len(self._connected) > 1000:  # clients long gone, most of them
                        self._connected.clear()
                    self._connected.add(client)
                    return
            time.sleep(0.005)

    def destroy(self):
        self._node.destroy_service(self)

    def _close(self):
        self._writer.close()
        self._reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()


def _client_id(key, participant, handle, topic, type_name, qos, info, type_id):
    """The `clientid=…` of an endpoint's USER_DATA, None without one."""
    parts = bytes(qos[Policy.Userdata].data).split(b";") if Policy.Userdata in qos else []
    return next((part for part in parts if part.startswith(b"clientid=")), None)
