# SPDX-License-Identifier: Apache-2.0
"""Sends commands to a node and waits for what becomes of them."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar

from lfmvl_ros.agents.link import AnnotatedImage, Link
from lfmvl_ros.core.commands.request import parse_request
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text, safe_text

_GREETING_S, _LOOK_S, _IMAGE_S = 0.5, 0.5, 10.0
_GREETING = {"name": "count", "arguments": {"label": "anything"}, "dry_run": True}
_MOST_NAMED = 5
_Item = TypeVar("_Item")


class NobodyAnswersError(UserError):
    """No node takes commands where the link leads, or what takes them does not answer."""


class NodeCommands:
    """Commands to one node, any number at a time.

    Args:
        link: the way to it.
        client: begins the ids of commands that have none.
        connect_s: how long to wait for a node that answers.
        silence_s: how long to wait for a result, and for each that follows it.
    """

    def __init__(
        self, link: Link, client: str = "mcp", connect_s: float = 5.0, silence_s: float = math.inf
    ) -> None:
        self._link, self._client = link, client
        self._connect_s, self._silence_s = connect_s, silence_s
        self._known: frozenset[bytes] = frozenset()  # nodes that have answered
        self._greeting = asyncio.Lock()

    async def results(self, command: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a command and yield its results, the final one last.

        Closing it before that cancels the command at the node.

        Args:
            command: as the topic ``command`` takes it; without ``id`` it gets one.

        Raises:
            NobodyAnswersError: no node answers.
            UserError: the command can't be sent, no result comes, or the node went away.
        """
        if command.get("id", "") == "":  # the node would give it one that nobody here knows
            command = {**command, "id": self._new_id()}
        try:
            id_ = parse_request(json_text(command)).id
        except ValueError as error:  # what can't be read is answered without its id
            raise UserError(f"the command can't be sent: {error}") from error
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
                    self._link.send({"id": self._new_id(), "cancel": id_})

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
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._silence_s
        while True:
            try:
                return await asyncio.wait_for(results.get(), _LOOK_S)
            except asyncio.TimeoutError:
                if not self._known & self._link.nodes():
                    raise UserError(
                        f"the node in {self._link.namespace} has ended before it reported "
                        "the result of the call"
                    ) from None
                if loop.time() >= end_s:
                    raise UserError(
                        f"the node in {self._link.namespace} answers, but no result of this "
                        f"command came for {self._silence_s:g} s, so it is cancelled; raise "
                        "--timeout where the model is slow"
                    ) from None

    async def _connect(self) -> None:
        """Wait until a node answers: what is sent before both directions are there is lost."""
        async with self._greeting:
            if self._known & self._link.nodes():
                return
            loop = asyncio.get_running_loop()
            end_s = loop.time() + self._connect_s
            while loop.time() < end_s:
                if nodes := self._link.nodes():
                    if await self._answers():
                        self._known = nodes
                        return
                else:
                    await asyncio.sleep(0.05)
            self._nobody()

    def _nobody(self) -> NoReturn:
        link = self._link
        place = f"{link.namespace} of ROS domain {link.domain}"
        others = " and ".join(sorted(link.namespaces() - {link.namespace})[:_MOST_NAMED])
        if link.nodes():
            what = f"something takes commands in {place}, but did not answer"
            advice = "is the node overloaded, or stopped?"
        else:
            what = f"no perception node answers commands in {place}"
            advice = "start it, or compare --namespace and ROS_DOMAIN_ID with the node's"
            if others:
                advice = f"nodes answer in {safe_text(others)}: name one with --namespace"
        raise NobodyAnswersError(f"{what} within {self._connect_s:g} s; {advice}")

    async def _answers(self) -> bool:
        id_ = self._new_id()
        async with _queue_of(partial(self._link.listen, id_)) as results:
            self._link.send({"id": id_, **_GREETING})
            try:
                await asyncio.wait_for(results.get(), _GREETING_S)
            except asyncio.TimeoutError:
                return False
        return True

    def _new_id(self) -> str:
        """Return an id that no other client of the node gives."""
        return f"{self._client}-{uuid.uuid4().hex}"


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
