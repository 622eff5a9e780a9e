# SPDX-License-Identifier: Apache-2.0
"""Service clients (the wire format is told in service.py)."""

import itertools
import math
import time

from rclpy.service import BODY_OFFSET, HEADER, ServiceSide
from rclpy.task import Future
from rosless.messages import CdrError, deserialize, serialize


class Client(ServiceSide):
    """Made by Node.create_client."""

    _role = "client"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._numbers, self._pending = itertools.count(1), {}

    def service_is_ready(self):
        """True while a server is connected."""
        return bool(self._writer.matched() and self._reader.matched())

    def wait_for_service(self, timeout_sec=None):
        """True as soon as a server is connected, False after `timeout_sec`."""
        return self._wait_for(self.service_is_ready, timeout_sec)

    def _wait_for(self, condition, timeout_sec):
        unlimited = timeout_sec is None or timeout_sec < 0
        end = math.inf if unlimited else time.monotonic() + timeout_sec
        while not (met := condition()) and self._node.context.ok() and time.monotonic() < end:
            time.sleep(0.005)
        return met

    def call_async(self, request):
        """Send a request; the Future gets the response when an executor spins the node."""
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"Expected {self.srv_type.Request}, got {type(request)}")
        number, future = next(self._numbers), Future()
        self._pending[number] = future
        future.add_done_callback(lambda _: self._pending.pop(number, None))
        self._writer.write(serialize(request, HEADER.pack(self._writer.handle, number)))
        return future

    def call(self, request, timeout_sec=None):
        """Send a request and wait; another thread must spin the node."""
        future = self.call_async(request)
        if not self._wait_for(future.done, timeout_sec):
            future.cancel()
            raise TimeoutError(f"no response of {self.srv_name} within {timeout_sec} s")
        return future.result()

    def _take(self):
        """(future, response or error) of the oldest reply to us, None without one."""
        while (taken := self._reader.take()) is not None:
            data, _ = taken
            if len(data) < BODY_OFFSET:
                continue
            handle, number = HEADER.unpack_from(data, 4)
            if handle != self._writer.handle:
                continue
            future = self._pending.pop(number, None)
            if future is None or not future.set_running_or_notify_cancel():
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
        for future in list(self._pending.values()):
            future.cancel()
