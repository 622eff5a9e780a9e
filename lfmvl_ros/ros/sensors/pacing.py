# SPDX-License-Identifier: Apache-2.0
"""Publishes images at the source's own rate: one thread reads ahead, another publishes on time.

An image belongs to the time ``start + k * period``, or to the one that its file gives it, and is
stamped with that, also when it is late: what moves in the images moves at its true speed. Nothing
is made up for by a burst: a reader that has fallen behind skips to the image that is due; what is
skipped is counted and reported.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.sensors.image_sources import ImageSource

_AHEAD = 3
_End = UserError | None


@dataclass(frozen=True)
class PacerStatus:
    """``published`` and ``skipped`` images since the start."""

    published: int
    skipped: int


class PacerClock(Protocol):
    """A clock that can be waited on."""

    def now_ns(self) -> int:
        """Return the time, ns; it never goes back."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until a time, or until ``stop`` is set; return whether it is."""


class MonotonicClock:
    """The clock of ``time.monotonic_ns``."""

    def now_ns(self) -> int:
        """Return the time, ns."""
        return time.monotonic_ns()

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until a time, or until ``stop`` is set; return whether it is."""
        return stop.wait(max(0, due_ns - self.now_ns()) / 1e9)


class Pacer:
    """Delivers a source's images on time.

    Args:
        source: read, skipped and rewound in the pacer's own thread.
        deliver: called with each image and when it was due, ns of the clock; a live source's are
            due as they are read.
        loop: start again after the last image.
        ended: called once when there are no more images, with the error if there was one.
        clock: by which images are due.
    """

    def __init__(
        self,
        source: ImageSource,
        deliver: Callable[[Any, int], object],
        *,
        loop: bool,
        ended: Callable[[_End], None],
        clock: PacerClock = MonotonicClock(),  # noqa: B008  (it has no state)
    ) -> None:
        self._source, self._deliver, self._loop, self._ended = source, deliver, loop, ended
        self._clock, self._schedule = clock, _Schedule(source, clock)
        self._ready: queue.Queue[_Image | _Finished] = queue.Queue(maxsize=_AHEAD)
        self._stop = threading.Event()
        self._start_ns: int | None = None  # set when the first image is delivered
        self._lock = threading.Lock()
        self._published = self._skipped = 0
        self._threads = [
            threading.Thread(target=self._read, name="image reader", daemon=True),
            threading.Thread(target=self._publish, name="image pacer", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End both threads and close the source."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(timeout_s)
        if not any(thread.is_alive() for thread in self._threads):
            self._source.close()

    def status(self) -> PacerStatus:
        """Return the counters."""
        with self._lock:
            return PacerStatus(self._published, self._skipped)

    # -- reader ------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._source.live and self._start_ns is not None:
                    self._count_skipped(
                        self._schedule.skip_to(self._clock.now_ns() - self._start_ns)
                    )
                image = self._next_image()
                if image is None:
                    break
                self._put(image)
            self._put(_Finished(None))
        except UserError as error:
            self._put(_Finished(error))
        except Exception as error:  # cv2.error and the like: the source is broken
            self._put(_Finished(UserError(f"{self._source.name} failed: {error}")))

    def _count_skipped(self, count: int) -> None:
        with self._lock:
            self._skipped += count

    def _next_image(self) -> _Image | None:
        image = self._schedule.read()
        if image is None and self._loop and not self._stop.is_set():
            self._schedule.rewind()
            image = self._schedule.read()
        return image

    def _put(self, item: _Image | _Finished) -> None:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    # -- publisher ---------------------------------------------------------------------------------

    def _publish(self) -> None:
        while not self._stop.is_set():
            try:
                item = self._ready.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(item, _Finished):
                self._ended(item.error)
                return
            due_ns = self._clock.now_ns()
            if not self._source.live:
                if self._start_ns is None:
                    self._start_ns = due_ns - item.offset_ns
                due_ns = self._start_ns + item.offset_ns
                if self._clock.wait_until(due_ns, self._stop):
                    return
                if self._clock.now_ns() - max(due_ns, item.ready_ns) > item.period_ns:
                    self._count_skipped(1)  # the consumer held it up: a newer one is due by now
                    continue
            self._deliver(item.content, due_ns)
            with self._lock:
                self._published += 1


class _Schedule:
    """When each image of a source is due, counted from the first, also over many rounds."""

    def __init__(self, source: ImageSource, clock: PacerClock) -> None:
        self._source, self._clock = source, clock
        self._period_ns = round(1e9 / source.rate_hz)
        self._base_ns = 0  # when this round began
        self._offset_ns = -self._period_ns  # of the image before
        self._gap_ns = self._period_ns  # between the two images before

    def _due_ns(self) -> int:
        """When the next image is due."""
        own_ns = self._source.next_ns()
        return self._offset_ns + self._period_ns if own_ns is None else self._base_ns + own_ns

    def _pass(self, due_ns: int) -> None:
        self._gap_ns = max(due_ns - self._offset_ns, 1)
        self._offset_ns = due_ns

    def skip_to(self, now_ns: int) -> int:
        """Pass over images that were due more than a period ago; return how many."""
        behind = max(0, (now_ns - self._due_ns()) // self._period_ns)
        if self._source.next_ns() is None:
            skipped = self._source.skip(behind)
            self._offset_ns += behind * self._period_ns
            return skipped
        skipped = 0
        while (own_ns := self._source.next_ns()) is not None:
            due_ns = self._base_ns + own_ns
            if now_ns - due_ns <= max(self._gap_ns, self._period_ns) or not self._source.skip(1):
                break
            self._pass(due_ns)
            skipped += 1
        return skipped

    def read(self) -> _Image | None:
        """Return the next image; None after the last of this round."""
        due_ns = self._due_ns()
        pixels = self._source.read()
        if pixels is None:
            return None
        self._pass(due_ns)
        return _Image(due_ns, max(self._gap_ns, self._period_ns), pixels, self._clock.now_ns())

    def rewind(self) -> None:
        """Start the next round: its first image follows after as long as the last one did."""
        self._base_ns = self._offset_ns + self._gap_ns
        self._source.rewind()


@dataclass(frozen=True, eq=False)
class _Image:
    offset_ns: int
    period_ns: int
    content: Any  # what the source read
    ready_ns: int


@dataclass(frozen=True)
class _Finished:
    error: UserError | None
