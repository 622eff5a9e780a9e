# SPDX-License-Identifier: Apache-2.0
"""Reads the text on one camera's tracks, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.readings.planner import ReadingPlanner
from lfmvl_ros.core.readings.reading import TextReader, Texts, TrackText
from lfmvl_ros.core.tracking import Tracks

_log = logging.getLogger(__name__)
_TICK_S = 0.1


@dataclass(frozen=True)
class ReadingStatus:
    """Counters of a worker, since it was created.

    Attributes:
        problem: why nothing can be read; "" where it can, or was not tried yet.
        loaded: the reader is in memory.
        read: crops that were read.
        with_text: of them, crops with text.
        failed: crops at which the reader failed.
        dropped: frames that were replaced by a newer one before the thread looked at them.
        waiting: tracks with a crop that waits.
        texts: tracks whose text is known.
        median_ms: of the newest reads; None before the first.
    """

    problem: str = ""
    loaded: bool = False
    read: int = 0
    with_text: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    texts: int = 0
    median_ms: float | None = None


class ReadingWorker:
    """Takes frames with their tracks, and reads; the newest frame replaces one that waits.

    The thread begins, and the reader is loaded, when there is something to read for the first time.

    Args:
        load: returns the reader; raises a :class:`UserError` where there is none.
        settings: returns those in force.
        on_text: takes what is known of a track after each reading, in this thread.
        on_warning: takes a sentence when nothing can be read, once.
    """

    def __init__(
        self,
        load: Callable[[], TextReader],
        settings: Callable[[], ReadingSettings],
        on_text: Callable[[TrackText], None],
        on_warning: Callable[[str], None],
    ) -> None:
        self._load, self._settings = load, settings
        self._on_text, self._on_warning = on_text, on_warning
        self._planner = ReadingPlanner(settings)
        self._changed = threading.Condition()
        self._newest: tuple[Frame, Tracks] | None = None
        self._requested: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._reader: TextReader | None = None
        self._problem = ""
        self._counts: Counter[str] = Counter()
        self._times_ms: deque[float] = deque(maxlen=50)
        self._texts: Texts = {}

    @property
    def texts(self) -> Texts:
        """What is known of each track, by id; a snapshot."""
        return self._texts

    @property
    def problem(self) -> str:
        """Why nothing can be read; "" where it can, or was not tried yet."""
        return self._problem

    def tracks(self, frame: Frame, tracks: Tracks) -> None:
        """Take a frame with its tracks; returns at once."""
        if not self._requested and not any(self._settings().labels):
            if self._texts:
                self._texts = {}
            return
        with self._changed:
            if self._ended:
                return
            if self._newest is not None:
                self._counts["dropped"] += 1
            self._newest = (frame, tracks)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reading", daemon=True)
                self._thread.start()
            self._changed.notify()

    def request(self, label: str) -> None:
        """Read a label's objects, too, and soon, until :meth:`withdraw` is called as often."""
        with self._changed:
            self._requested[label] += 1

    def withdraw(self, label: str) -> None:
        """End a request."""
        with self._changed:
            self._requested[label] -= 1
            if self._requested[label] <= 0:
                del self._requested[label]

    def forget(self) -> None:
        """Forget what was read and the frame that waits: the camera is not observed any more."""
        with self._changed:
            self._newest, self._texts = None, {}
            self._planner = ReadingPlanner(self._settings)  # ids may mean other objects then

    def close(self) -> None:
        """End the thread, after the crop that is being read."""
        with self._changed:
            self._ended = True
            self._newest, self._texts = None, {}
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(10.0)
        self._reader = None

    def status(self) -> ReadingStatus:
        """Return the counters."""
        counts, times = self._counts, list(self._times_ms)
        return ReadingStatus(
            self._problem,
            self._reader is not None,
            read=counts["read"],
            with_text=counts["with_text"],
            failed=counts["failed"],
            dropped=counts["dropped"],
            waiting=self._planner.waiting,
            texts=len(self._texts),
            median_ms=round(float(np.median(times)), 1) if times else None,
        )

    # -- in the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._reader = self._load()
        except UserError as error:
            self._problem = str(error)
        except Exception as error:  # of a package that is damaged, say
            _log.exception("the reader can't be loaded")
            self._problem = f"the reader can't be loaded: {error}"
        if self._problem:
            self._on_warning(f"no text is read: {self._problem}")
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended, _TICK_S)
                newest, self._newest = self._newest, None
                if self._ended:
                    return
                requested = tuple(self._requested)
            if self._reader is not None:
                try:
                    self._step(self._reader, newest, requested)
                except Exception:  # a fault of one frame must not end the thread
                    self._counts["failed"] += 1
                    _log.exception("a crop is not read")

    def _step(
        self, reader: TextReader, newest: tuple[Frame, Tracks] | None, requested: tuple[str, ...]
    ) -> None:
        planner = self._planner
        if newest is not None:
            planner.consider(*newest, time.monotonic(), requested)
            self._keep(planner)
        crop = planner.next(time.monotonic(), urgent=bool(requested))
        if crop is None:
            return
        began_s = time.perf_counter()
        lines = reader.read(crop.pixels, crop.attempt)
        self._times_ms.append(1000 * (time.perf_counter() - began_s))
        self._counts["read"] += 1
        self._counts["with_text"] += bool(lines)
        text = planner.take(crop, lines, time.monotonic())
        if self._keep(planner) and text is not None:
            self._on_text(text)

    def _keep(self, planner: ReadingPlanner) -> bool:
        """Publish a planner's texts to other threads; False if all was forgotten meanwhile."""
        with self._changed:
            if planner is not self._planner or self._ended:
                return False
            self._texts = planner.texts()
            return True
