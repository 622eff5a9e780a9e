# SPDX-License-Identifier: Apache-2.0
"""Images that wait for their depth and their transform, in a thread of its own. No ROS in here.

Images are handled in order of time. When several are ready, the newest that is complete is
handled and older ones are dropped, so that the results lag only by what they wait for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Inputs = TypeVar("Inputs")
MAX_WAITING = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Readiness(Generic[Inputs]):
    """The inputs of an image, and whether they are complete.

    Attributes:
        inputs: passed to ``handle``.
        ready: there is nothing more to wait for.
        complete: nothing is missing.
        blocks: later images are not ready either, so they need not be asked about.
    """

    inputs: Inputs
    ready: bool
    complete: bool
    blocks: bool = False


@dataclass(eq=False)
class _Waiting:
    image: Any
    deadline_s: float


class WaitingRoom(Generic[Inputs]):
    """Holds images until their inputs have arrived, or their timeout has passed.

    Args:
        prepare: called with an image; returns what has come for it so far.
        handle: called in the thread with each image and its inputs. What it raises is logged.
        wanted: called with an image that waits; one that is no longer wanted is dropped.
        clock: s; without :meth:`start`, the caller's own, for :meth:`look`.
    """

    def __init__(
        self,
        prepare: Callable[[Any], Readiness[Inputs]],
        handle: Callable[[Any, Inputs], None],
        wanted: Callable[[Any], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prepare, self._handle, self._wanted = prepare, handle, wanted
        self._clock = clock
        self._wake = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._running = self._changed = False
        self._thread: threading.Thread | None = None
        self.superseded = 0

    def start(self) -> None:
        """Start the thread."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="places", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the thread; images that wait are forgotten."""
        with self._wake:
            self._running = False
            self._waiting.clear()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def put(self, image: Any, timeout_s: float) -> None:
        """Let an image wait for at most ``timeout_s``; returns at once."""
        with self._wake:
            if len(self._waiting) == MAX_WAITING:
                self._waiting.popleft()
                self.superseded += 1
            self._waiting.append(_Waiting(image, self._clock() + timeout_s))
            self._changed = True
            self._wake.notify()

    def notice(self) -> None:
        """Check the images again, because an input has arrived."""
        with self._wake:
            if self._waiting:
                self._changed = True
                self._wake.notify()

    def clear(self) -> None:
        """Forget the images that wait."""
        with self._wake:
            self._waiting.clear()

    def look(self) -> None:
        """Handle what is ready, or overdue, in the caller's thread; the room is not started."""
        while self._changed or self._is_due():
            self._pass()

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._running and not self._changed and not self._is_due():
                    self._wake.wait(self._left_s())
                if not self._running:
                    return
            self._pass()

    def _pass(self) -> None:
        with self._wake:
            self._changed = False
            while self._waiting and not self._wanted(self._waiting[0].image):
                self._waiting.popleft()
            waiting = list(self._waiting)
        try:
            self._look(waiting)
        except Exception:  # one image that fails must not end the stream
            _log.exception("finding places failed")
            with self._wake:
                if waiting:
                    self._leave(waiting[0])

    def _is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0].deadline_s <= self._clock()

    def _left_s(self) -> float | None:
        if not self._waiting:
            return None
        return max(self._waiting[0].deadline_s - self._clock(), 0.0)

    def _look(self, waiting: list[_Waiting]) -> None:
        """Handle the newest complete image, or the newest that is ready without."""
        now_s = self._clock()
        chosen: tuple[_Waiting, Readiness[Inputs]] | None = None
        for item in waiting:
            found = self._prepare(item.image)
            overdue = item.deadline_s <= now_s
            if (found.ready or overdue) and (
                found.complete or chosen is None or not chosen[1].complete
            ):
                chosen = (item, found)
            if found.blocks and not overdue:
                break
        if chosen is None:
            return
        item, found = chosen
        with self._wake:
            if not self._leave(item):
                return
            self._changed = True  # later ones may be ready, too
        self._handle(item.image, found.inputs)

    def _leave(self, item: _Waiting) -> bool:
        """Take an image and all before it out; False when it has been taken out already."""
        if item not in self._waiting:
            return False
        while self._waiting.popleft() is not item:
            self.superseded += 1
        return True
