# SPDX-License-Identifier: Apache-2.0
"""Serves MCP: over standard input and output, or over HTTP on this machine with a token."""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from mcp.server.stdio import stdio_server
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lfmvl_ros.agents.link import Link
from lfmvl_ros.agents.server import build_server
from lfmvl_ros.core.errors import UserError, describe

HOST = "127.0.0.1"
_GOODBYE_S = 1  # for open connections, once the process is to end


def serve_stdio(link: Link) -> None:
    """Serve one client over standard input and output, until it closes them or a signal raises."""
    serving = _StdioThread(link)
    serving.start()
    try:
        serving.over.wait()
    finally:
        serving.stop()
    if serving.failure is not None:
        raise serving.failure


class _StdioThread(threading.Thread):
    """Serves in a thread that the process need not wait for.

    What waits for a line of standard input can't be cancelled.

    Attributes:
        over: set once nothing is served any more.
        failure: what ended it, if not its client.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(name="mcp", daemon=True)  # so are the threads that it starts
        self.over = threading.Event()
        self.failure: Exception | None = None
        self._link = link
        self._stop: Callable[[], object] = self.over.set

    def run(self) -> None:
        """Serve; called by :meth:`start`."""
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self.failure = error
        finally:
            self.over.set()

    def stop(self) -> None:
        """Cancel what is under way."""
        self._stop()
        self.over.wait(_GOODBYE_S)

    async def _serve(self) -> None:
        server, loop = build_server(self._link), asyncio.get_running_loop()
        async with stdio_server() as (received, sent):
            options = server.create_initialization_options()
            task = asyncio.create_task(server.run(received, sent, options))
            self._stop = lambda: self.over.is_set() or loop.call_soon_threadsafe(task.cancel)
            try:
                await asyncio.wait([task])
            finally:
                self.over.set()
            if not task.cancelled():
                task.result()


async def serve_http(link: Link, port: int, token: str, ready: Callable[[str], None]) -> None:
    """Serve any number of clients on this machine, until a signal.

    Args:
        link: the way to the node.
        port: 0 takes a free one.
        token: that every request has to bear.
        ready: called with the address once connections are taken.

    Raises:
        UserError: the port can't be opened.
    """
    listening = _listen(port)
    app = _Guarded(build_server(link).streamable_http_app(host=HOST), token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GOODBYE_S
    )
    ready(f"http://{HOST}:{listening.getsockname()[1]}/mcp")
    await uvicorn.Server(config).serve(sockets=[listening])


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise UserError(
            f"port {port} of {HOST} can't be opened: {describe(error)}; name another with --http"
        ) from error
    return listening


class _Guarded:
    """Refuses requests without the token."""

    def __init__(self, app: Any, token: str) -> None:
        self._app: ASGIApp = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = PlainTextResponse(
                    "send the token of lfmvl mcp: Authorization: Bearer TOKEN",
                    status_code=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
