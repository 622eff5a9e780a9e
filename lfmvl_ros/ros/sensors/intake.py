# SPDX-License-Identifier: Apache-2.0
"""Makes frames of camera messages in a thread of its own; only the newest message is kept.

The callback only stores a reference. A thread converts the message and passes the frame on; a
message that arrives meanwhile replaces the waiting one. All drops are counted by reason:

``superseded``
    a newer message arrived before this one was converted;
``corrupt``
    short data, zero size, cut-off JPEG, impossible stamp;
``unsupported_encoding``
    see :data:`lfmvl_ros.core.colour.LAYOUTS`;
``out_of_order``
    not newer than the frame before, and time has not restarted;
``unstamped``
    a zero stamp from a camera that has stamped images before.

The last two are verdicts of :mod:`lfmvl_ros.core.timeline`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lfmvl_ros.core.colour import is_flat
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.timeline import MessageTimeline, Verdict
from lfmvl_ros.ros.sensors.pixels import ConversionError

_REASONS = ("superseded", "corrupt", "unsupported_encoding", "out_of_order", "unstamped")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IntakeStatus:
    """A snapshot; counts start with the intake and only grow.

    Attributes:
        received: messages that arrived.
        frames: those passed on.
        dropped: those that were not, by reason; ``received - frames - sum(dropped)`` is 0 or 1.
        silent_s: time since the last message; None before the first.
        jumps_back: times that time restarted.
        problem: what was wrong with the last message that could not be used.
        wh: size of the last frame in pixels.
        without_stamp: frames that got the time of receipt.
        without_contrast: frames whose pixels are all nearly the same.
    """

    received: int
    frames: int
    dropped: dict[str, int]
    silent_s: float | None
    jumps_back: int
    problem: str
    wh: tuple[int, int]
    without_stamp: int = 0
    without_contrast: int = 0


class FrameIntake:
    """The thread between one camera's callback and its consumer.

    Args:
        convert: message to frame, with ``stamp_ns`` 0 if it has no stamp; raises
            :class:`ConversionError` for one that can't be used.
        handle: called in the intake's thread with each frame, and whether it is ``newer`` or time
            has ``restarted`` with it. Its exceptions are logged.
        reorder_window_ns: called for each frame, see :meth:`MessageTimeline.judge`.
        warn: called with a sentence when time jumps back, and when messages can't be used; the
            latter at most once in ``warn_every_s`` for each reason.
        receipt_ns: the time now, for cameras that do not stamp; 0 when it is not known yet.
    """

    def __init__(
        self,
        convert: Callable[[Any], Frame],
        handle: Callable[[Frame, Verdict], None],
        reorder_window_ns: Callable[[], int],
        warn: Callable[[str], None] = _log.warning,
        warn_every_s: float = 10.0,
        receipt_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._convert, self._handle = convert, handle
        self._reorder_window_ns, self._receipt_ns = reorder_window_ns, receipt_ns
        self._warn, self._warn_every_s = warn, warn_every_s
        self._wake = threading.Condition()
        self._waiting: Any = None
        self._running = False
        self._thread: threading.Thread | None = None
        self._received = self._frames = self._jumps_back = 0
        self._without_stamp = self._without_contrast = 0
        self._dropped: Counter[str] = Counter(dict.fromkeys(_REASONS, 0))
        self._received_s: float | None = None
        self._warned_s: dict[str, float] = {}
        self._problem, self._wh = "", (0, 0)
        self._timeline = MessageTimeline()

    def start(self) -> None:
        """Start the thread. The next image decides again whether the camera stamps its images."""
        self._timeline.reopen()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="frame intake", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the thread; a waiting message is discarded."""
        with self._wake:
            self._running, self._waiting = False, None
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def put(self, message: Any) -> None:
        """Take a message; returns at once."""
        with self._wake:
            self._received += 1
            self._received_s = time.monotonic()
            if self._waiting is not None:
                self._dropped["superseded"] += 1
            self._waiting = message
            self._wake.notify()

    def take(self, message: Any) -> tuple[Frame, Verdict] | None:
        """Convert and judge a message immediately, in the caller's thread.

        For messages from a file, none of which is superseded. The thread must not have been
        started.

        Returns:
            The frame, and whether time goes on or has restarted with it; None where the message was
            dropped and counted.
        """
        with self._wake:
            self._received += 1
            self._received_s = time.monotonic()
        return self._accept(message)

    def status(self) -> IntakeStatus:
        """Return a snapshot of the counters."""
        with self._wake:
            silent_s = None if self._received_s is None else time.monotonic() - self._received_s
            return IntakeStatus(
                received=self._received,
                frames=self._frames,
                dropped=dict(self._dropped),
                silent_s=silent_s,
                jumps_back=self._jumps_back,
                problem=self._problem,
                wh=self._wh,
                without_stamp=self._without_stamp,
                without_contrast=self._without_contrast,
            )

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._waiting is None and self._running:
                    self._wake.wait()
                message, self._waiting = self._waiting, None
                if not self._running:
                    return
            try:
                accepted = self._accept(message)
                if accepted is not None:
                    self._handle(*accepted)
            except Exception:  # one frame that fails must not end the stream
                _log.exception("handling a frame failed")

    def _accept(self, message: Any) -> tuple[Frame, Verdict] | None:
        try:
            frame = self._convert(message)
        except ConversionError as error:
            self._drop(error.reason, str(error))
            return None
        unstamped = frame.stamp_ns == 0
        verdict, taken_ns, why = self._timeline.judge(
            None if unstamped else frame.stamp_ns,
            self._receipt_ns() if unstamped else 0,
            self._reorder_window_ns(),
        )
        if not verdict.is_kept:
            self._drop(verdict.value, why)
            return None
        if unstamped:
            frame = replace(frame, stamp_ns=taken_ns)
            if not self._without_stamp:
                self._warn("the camera sends images without a stamp; receipt times are used")
        if verdict is Verdict.RESTARTED:
            self._warn(f"{why}; tracking restarts")
        flat = is_flat(frame.pixels)
        with self._wake:
            self._without_stamp += unstamped
            self._without_contrast += flat
            self._jumps_back += verdict is Verdict.RESTARTED
            self._frames += 1
            self._wh = frame.wh
        return frame, verdict

    def _drop(self, reason: str, problem: str) -> None:
        now_s = time.monotonic()
        with self._wake:
            self._dropped[reason] += 1
            self._problem = problem
            last_s = self._warned_s.get(reason)
            quiet = last_s is not None and now_s - last_s < self._warn_every_s
            if not quiet:
                self._warned_s[reason] = now_s
        if not quiet:
            self._warn(f"image dropped ({reason}): {problem}")
