# SPDX-License-Identifier: Apache-2.0
"""HTTP requests that can be cancelled at any moment, over TCP, TLS or a Unix socket.

The standard library's client follows no redirects and uses no proxies, so images go to the
configured host only.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.errors import describe
from lfmvl_ros.models.server.address import ServerAddress
from lfmvl_ros.models.server.errors import json_value

_LONGEST_LINE = 1 << 20  # bytes; a token's event has a few hundred
_LONGEST_BODY = 1 << 22
_GRACE_S = 5.0  # how long a cancelled request may outlive its time limit


@dataclass(frozen=True)
class Head:
    """Status and content type of a response."""

    status: int
    content_type: str


@dataclass(frozen=True)
class Line:
    """One line of a response that is an event stream."""

    text: bytes


@dataclass(frozen=True)
class Body:
    """The whole of a response that is not an event stream."""

    content: bytes


@dataclass(frozen=True)
class Failure:
    """The connection failed or broke; ``refused``: there is no server."""

    sentence: str
    refused: bool


@dataclass(frozen=True)
class End:
    """The response is over."""


Event = Head | Line | Body | Failure | End


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(address: ServerAddress, timeout_s: float) -> http.client.HTTPConnection:
    if address.socket:
        return _UnixConnection(address.socket, timeout_s)
    if address.scheme == "https":
        return http.client.HTTPSConnection(
            address.host, address.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)


class Call:
    """One request, in a thread of its own, which puts the response into ``events``.

    Name lookup, connecting and waiting for an answer can block that thread, never the caller.
    :meth:`close` ends the call from any thread: the server sees the connection close.

    Args:
        address: server.
        method, path: of the request.
        body: JSON to send; None for none.
        key: the server's key, "" for none.
        limit_s: no socket operation takes longer than this and a few seconds.
        events: gets ``(tag, event)`` for every :data:`Event`; the last one is a :class:`Failure`
            or :class:`End`.
        tag: distinguishes the events of several calls.
    """

    def __init__(
        self,
        address: ServerAddress,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        key: str = "",
        limit_s: float,
        events: queue.SimpleQueue[tuple[int, Event]],
        tag: int = 0,
    ) -> None:
        self._address, self._request, self._body = address, (method, path), body
        self._key, self._events, self._tag = key, events, tag
        self._lock = threading.Lock()
        self._closed = False
        self._socket: socket.socket | None = None
        self._connection = _connection(address, limit_s + _GRACE_S)
        self._thread = threading.Thread(target=self._run, name="model server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel the call. Returns immediately; later events can be ignored."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                # Not close(): only shutdown() wakes a thread that waits in recv(). The plain
                # socket's, as that of TLS would touch state which the other thread uses.
                with contextlib.suppress(OSError):  # it may have ended already
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _put(self, event: Event) -> None:
        self._events.put((self._tag, event))

    def _run(self) -> None:
        try:
            self._connection.connect()
            with self._lock:
                self._socket = self._connection.sock
                if self._closed:
                    return
            self._exchange()
            self._put(End())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(Failure(_sentence(error), isinstance(error, _NOBODY_LISTENS)))
        finally:
            with self._lock:
                self._socket = None
                self._connection.close()

    def _exchange(self) -> None:
        headers = {"Accept": "text/event-stream, application/json"}
        if self._body is not None:
            headers["Content-Type"] = "application/json"
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._connection.request(*self._request, self._body, headers)
        response = self._connection.getresponse()
        kind = response.headers.get_content_type()
        self._put(Head(response.status, kind))
        if response.status != 200 or kind != "text/event-stream":
            self._put(Body(response.read(_LONGEST_BODY)))
            return
        # Also after shutdown() there are lines for as long as the server is quicker than this loop.
        while not self._closed and (line := response.readline(_LONGEST_LINE)):
            self._put(Line(line))


_NOBODY_LISTENS = (ConnectionRefusedError, FileNotFoundError, socket.gaierror)


def _sentence(error: BaseException) -> str:
    """Return a message for a connection error."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, socket.gaierror):
        return "the host name can't be resolved"
    broken = (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError)
    if isinstance(error, broken):
        return "the server closed the connection before its answer was complete"
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    return describe(error)


@dataclass(frozen=True)
class Response:
    """A short response: ``status`` is 0 where there was none, and ``failure`` says why."""

    status: int = 0
    content: bytes = b""
    failure: Failure | None = None

    def document(self) -> Any:
        """Return the JSON value it holds; None where it holds none."""
        return json_value(self.content)


def fetch(
    address: ServerAddress,
    path: str,
    document: Mapping[str, Any] | None = None,
    *,
    key: str = "",
    limit_s: float = 10.0,
) -> Response:
    """Make a short request, POST where there is a ``document``; never raises."""
    events: queue.SimpleQueue[tuple[int, Event]] = queue.SimpleQueue()
    body = None if document is None else json.dumps(document).encode()
    method = "GET" if body is None else "POST"
    call = Call(address, method, path, body=body, key=key, limit_s=limit_s, events=events)
    deadline_s, status, content = time.monotonic() + limit_s, 0, b""
    try:
        while True:
            _, event = events.get(timeout=max(0.0, deadline_s - time.monotonic()))
            if isinstance(event, Head):
                status = event.status
            elif isinstance(event, Body):
                content = event.content
            elif isinstance(event, Failure):
                return Response(failure=event)
            elif isinstance(event, End):
                return Response(status, content)
    except queue.Empty:
        return Response(failure=Failure(f"no answer within {limit_s:g} s", refused=False))
    finally:
        call.close()
