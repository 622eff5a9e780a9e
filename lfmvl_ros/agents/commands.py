# SPDX-License-Identifier: Apache-2.0
"""Sends tool calls to a node and waits for what becomes of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from lfmvl_ros.agents.link import AnnotatedImage, Link
from lfmvl_ros.core.commands.request import parse_request
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text

_CONNECT_S, _GREETING_S, _LOOK_S, _IMAGE_S = 5.0, 0.5, 0.5, 10.0
_GREETING = {"name": "count", "arguments": {"label": "anything"}, "dry_run": True}
_Item = TypeVar("_Item")


class NodeCommands:
    """Tool calls to one node, any number at a time.

    Args:
        link: the way to it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: frozenset[bytes] = frozenset()  # nodes that have answered
        self._greeting = asyncio.Lock()

    async def results(
        self, name: str, arguments: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send a call and yield its results, the final one last.

        Closing it before that cancels the call at the node.

        Raises:
            UserError: the call can't be sent, no node answers, or the node went away.
        """
        id_ = _new_id()
        command = {"id": id_, "name": name, "arguments": dict(arguments)}
        try:
            parse_request(json_text(command))  # what can't be read is answered without its id
        except ValueError as error:
            raise UserError(f"the arguments can't be written as JSON: {error}") from error
        await self._connect()
        async with _queue_of(partial(self._link.listen, id_)) as results:
            self._link.send(command)
            is_over = False
            try:
                while not is_over:
                    result = await self._next(results)
                    is_over = result["status"] != "running"
                    yield result
            finally:
                if not is_over:
                    self._link.send({"id": _new_id(), "cancel": id_})

    async def image(self, camera: str) -> AnnotatedImage:
        """Return the next annotated frame of a camera, "" where it has no name.

        Raises:
            UserError: none comes.
        """
        async with _queue_of(partial(self._link.watch, camera)) as images:
            try:
                return await asyncio.wait_for(images.get(), _IMAGE_S)
            except asyncio.TimeoutError:
                raise UserError(
                    f"no annotated frame came within {_IMAGE_S:g} s: is the node in "
                    f"{self._link.namespace} active, do images come, and is {camera!r} "
                    "the name of a camera (empty where it has none)?"
                ) from None

    async def _next(self, results: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
        while True:
            try:
                return await asyncio.wait_for(results.get(), _LOOK_S)
            except asyncio.TimeoutError:
                if not self._known & self._link.nodes():
                    raise UserError(
                        f"the node in {self._link.namespace} has ended before it reported "
                        "the result of the call"
                    ) from None

    async def _connect(self) -> None:
        """Wait until a node answers: what is sent before both directions are there is lost."""
        async with self._greeting:
            if self._known & self._link.nodes():
                return
            loop = asyncio.get_running_loop()
            end_s = loop.time() + _CONNECT_S
            while loop.time() < end_s:
                if nodes := self._link.nodes():
                    if await self._answers():
                        self._known = nodes
                        return
                else:
                    await asyncio.sleep(0.05)
        raise UserError(
            f"no perception node answers commands in {self._link.namespace}; start it, or compare "
            "--namespace and ROS_DOMAIN_ID with the node's"
        )

    async def _answers(self) -> bool:
        id_ = _new_id()
        async with _queue_of(partial(self._link.listen, id_)) as results:
            self._link.send({"id": id_, **_GREETING})
            try:
                await asyncio.wait_for(results.get(), _GREETING_S)
            except asyncio.TimeoutError:
                return False
        return True


def _new_id() -> str:
    """Return an id that no other client of the node gives."""
    return f"mcp-{uuid.uuid4().hex}"


@asynccontextmanager
async def _queue_of(
    listen: Callable[[Callable[[_Item], object]], Callable[[], None]],
) -> AsyncIterator[asyncio.Queue[_Item]]:
    """Collect in a queue of this loop what a callback receives in another thread."""
    loop, items = asyncio.get_running_loop(), asyncio.Queue[_Item]()
    stop = listen(lambda item: loop.call_soon_threadsafe(items.put_nowait, item))
    try:
        yield items
    finally:
        stop()
