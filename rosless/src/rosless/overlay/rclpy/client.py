# SPDX-License-Identifier: Apache-2.0
"""Service clients (the wire format is told in service.py)."""

import threading
import time

from rclpy.service import BODY_OFFSET, HEADER, new_user_data
from rclpy.task import Future
from rosless import dds
from rosless.messages import CdrError, deserialize, serialize


class Client:
    """Made by Node.create_client."""

    def __init__(self, node, srv_type, srv_name, qos_profile, callback_group):
        self._node, self.srv_type, self.srv_name = node, srv_type, srv_name
        self.service_name, self.qos_profile = srv_name, qos_profile
        self.callback_group = callback_group
        options = {"user_data": new_user_data("client"), "service_header": True}
        participant = node._ros_participant
        reply, request = (t._definition.name for t in (srv_type.Response, srv_type.Request))
        topic = f"rr{srv_name}Reply"  # the reader first: servers should know it before a request
        self._reader = dds.Reader(participant, topic, reply, qos_profile, **options)
        topic = f"rq{srv_name}Request"
        self._writer = dds.Writer(participant, topic, request, qos_profile, **options)
        self._endpoints = [self._reader, self._writer]
        self._condition = self._reader.condition
        self._lock = threading.Lock()
        self._sequence, self._pending = 0, {}

    @property
    def logger_name(self):
        return self._node.get_logger().name

    def service_is_ready(self):
        return self._writer.matched() > 0 and self._reader.matched() > 0

    def wait_for_service(self, timeout_sec=None):
        """True as soon as a server is connected, False after `timeout_sec`."""
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        context = self._node.context
        while context.ok() and not self.service_is_ready():
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.01)
        return self.service_is_ready()

    def call_async(self, request):
        """Send a request; the Future gets the response when an executor spins the node."""
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"Expected {self.srv_type.Request}, got {type(request)}")
        future = Future(executor=self._node.executor)
        with self._lock:
            self._sequence += 1
            number = self._sequence
            self._pending[number] = future
        header = HEADER.pack(self._writer.instance_handle, number)
        self._writer.write(serialize(request, header))
        return future

    def call(self, request, timeout_sec=None):
        """Send a request and wait; another thread must spin the node."""
        future = self.call_async(request)
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while not future._event.wait(
            0.1 if end is None else min(0.1, max(0.0, end - time.monotonic()))
        ):
            if not self._node.context.ok():
                break
            if end is not None and time.monotonic() >= end:
                self.remove_pending_request(future)
                raise TimeoutError(f"no response of {self.srv_name} within {timeout_sec} s")
        return future.result()

    def remove_pending_request(self, future):
        with self._lock:
            self._pending = {n: f for n, f in self._pending.items() if f is not future}

    def _take(self):
        """(future, response or error) of the oldest reply to us, None without one."""
        while (taken := self._reader.take()) is not None:
            data, _ = taken
            if len(data) < BODY_OFFSET:
                continue
            handle, number = HEADER.unpack_from(data, 4)
            if handle != self._writer.instance_handle:
                continue
            with self._lock:
                future = self._pending.pop(number, None)
            if future is None:
                continue
            try:
                return future, deserialize(data, self.srv_type.Response, BODY_OFFSET)
            except CdrError as error:
                return future, error
        return None

    def _execute(self, taken):
        future, response = taken
        if isinstance(response, CdrError):
            future.set_exception(response)
        else:
            future.set_result(response)

    def destroy(self):
        self._node.destroy_client(self)

    def _close(self):
        self._reader.close()
        self._writer.close()
        with self._lock:
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()
