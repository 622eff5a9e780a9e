# SPDX-License-Identifier: Apache-2.0
"""Commands that have come and wait for the thread that runs them."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

MOST_WAITING = 100


class Taken(NamedTuple):
    """What has come since the last time.

    Attributes:
        texts: commands to be started, in their order.
        refused: commands for which there was no room.
        lost: how many more came, too fast to be refused one by one.
        closing: whether it is over.
    """

    texts: list[str]
    refused: list[str]
    lost: int
    closing: bool


class Inbox:
    """Takes commands from any thread, for one that waits for them."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._texts: deque[str] = deque()
        self._refused: deque[str] = deque()
        self._lost = 0
        self._closing = self._ticked = False

    def submit(self, text: str) -> None:
        """Take a command; returns at once. Anything may be in the text.

        Up to :data:`MOST_WAITING` commands wait to be started; as many more are refused, and any
        beyond that are counted as lost.
        """
        with self._wake:
            full = len(self._texts) >= MOST_WAITING
            if full and len(self._refused) >= MOST_WAITING:
                self._lost += 1  # they come faster than they can be answered
            else:
                (self._refused if full else self._texts).append(text)
            self._wake.notify()

    def tick(self) -> None:
        """End the wait: something that a command waits for may have come."""
        with self._wake:
            self._ticked = True
            self._wake.notify()

    def close(self) -> None:
        """End the wait for good."""
        with self._wake:
            self._closing = True
            self._wake.notify()

    def take(self, timeout_s: float | None) -> Taken:
        """Wait for a command, a tick, the end or the timeout, and take what has come."""
        with self._wake:
            while not (self._texts or self._refused or self._ticked or self._closing):
                if not self._wake.wait(timeout_s):
                    break
            taken = Taken(list(self._texts), list(self._refused), self._lost, self._closing)
            self._texts.clear()
            self._refused.clear()
            self._lost, self._ticked = 0, False
            return taken
