# SPDX-License-Identifier: Apache-2.0
"""Service clients (the wire format is told in service.py)."""

import threading
import time

from rclpy.service import BODY_OFFSET, HEADER, ServiceSide
from rclpy.task import Future
from rosless.messages import CdrError, deserialize, serialize


class Client(ServiceSide):
    """Made by Node.create_client."""

    def __init__(self, node, srv_type, srv_name, qos_profile, callback_group):
        super().__init__(node, srv_type, srv_name, qos_profile, callback_group, "client")
        self._lock = threading.Lock()
        self._sequence, self._pending = 0, {}

    def service_is_ready(self):
        return bool(self._writer.matched() and self._reader.matched())

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
        header = HEADER.pack(self._writer.handle, number)
        self._writer.write(serialize(request, header))
        return future

    def call(self, request, timeout_sec=None):
        """Send a request and wait; another thread must spin the node."""
        future = self.call_async(request)
        end = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while not future._event.wait(0.05) and self._node.context.ok():
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
            if handle != self._writer.handle:
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

    def _close(self):
        super()._close()
        with self._lock:
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.cancel()
