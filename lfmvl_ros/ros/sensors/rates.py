# SPDX-License-Identifier: Apache-2.0
"""Integrates a gyroscope's rates to the rotation of one camera. No ROS in here.

A gyroscope has about ten times a camera's rate. So each rate is only stored, and they are
integrated together when a frame arrives. Unusable messages are counted by reason:

``not_provided``
    the message states that it has no angular velocity;
``corrupt``
    not finite, impossibly large, or with an impossible stamp;
``out_of_order``
    not newer than the rate before, and time has not restarted (:mod:`lfmvl_ros.core.timeline`).
    If it has, the rotation so far is discarded;
``unstamped``
    a zero stamp from a gyroscope that has stamped rates before;
``no_lens``
    no usable camera_info arrived before the next frame;
``no_mount``
    the orientation of the IMU to the camera is unknown at the next frame;
``superseded``
    no frame arrived for too long, or time restarted before one did.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.timeline import MessageTimeline, Verdict
from lfmvl_ros.core.tracking import EgoMotion
from lfmvl_ros.ros.sensors.frames import Matrix

REASONS = (
    "not_provided", "corrupt", "out_of_order", "unstamped", "no_lens", "no_mount", "superseded",
)  # fmt: skip
# Most rates between two frames; ten seconds of a fast gyroscope.
_MOST_WAITING = 8192


@dataclass(frozen=True)
class RateStatus:
    """A snapshot; counts start with the log and only grow.

    Attributes:
        received: messages that arrived.
        used: rates that were integrated.
        dropped: those that were not, by reason; the rest waits for a frame.
        without_stamp: those that got the time of receipt.
        jumps_back: times that time restarted.
        silent_s: time since the last message; None before the first.
        frames: camera frames since the start.
        frames_known: those at whose time the camera's rate was known.
        ahead_s: how far the newest rate was ahead of the last frame; None before both have come.
        problem: what was wrong with the last message that could not be used.
    """

    received: int
    used: int
    dropped: dict[str, int]
    without_stamp: int
    jumps_back: int
    silent_s: float | None
    frames: int
    frames_known: int
    ahead_s: float | None
    problem: str


class RateLog:
    """Collects the rates of one gyroscope for one camera. Any thread may call any method.

    Args:
        reorder_window_ns: called for each rate, see :meth:`MessageTimeline.judge`.
    """

    def __init__(self, reorder_window_ns: Callable[[], int]) -> None:
        self._window_ns = reorder_window_ns
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, tuple[float, float, float]]] = deque()
        self._ego: EgoMotion | None = None
        self._turn: Matrix | None = None
        self._timeline = MessageTimeline()
        self._received = self._used = self._without_stamp = self._jumps_back = 0
        self._frames = self._frames_known = 0
        self._dropped: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._received_s: float | None = None
        self._ahead_s: float | None = None
        self._problem = ""

    def put(
        self, stamp_ns: int, rad_s: tuple[float, float, float], *, stamped: bool = True
    ) -> Verdict:
        """Store a rate.

        Args:
            stamp_ns: of its header, or the time of receipt where it has none.
            rad_s: angular velocity in the gyroscope's axes.
            stamped: whether the header has a stamp.

        Returns:
            The verdict; with ``restarted``, everything from before is discarded.
        """
        with self._lock:
            self._count()
            header_ns = stamp_ns if stamped else None
            verdict, taken_ns, why = self._timeline.judge(header_ns, stamp_ns, self._window_ns())
            if not verdict.is_kept:
                self._dropped[verdict.value] += 1
                self._problem = why
                return verdict
            self._without_stamp += not stamped
            if verdict is Verdict.RESTARTED:
                self._jumps_back += 1
                self._dropped["superseded"] += len(self._waiting)
                self._waiting.clear()
                self._ego = None
            elif len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._dropped["superseded"] += 1
            self._waiting.append((taken_ns, rad_s))
            return verdict

    def reject(self, reason: str, problem: str) -> bool:
        """Count a message that can't be used; True when it is the first for this reason."""
        with self._lock:
            self._count()
            self._dropped[reason] += 1
            self._problem = problem
            return self._dropped[reason] == 1

    def at_frame(
        self, stamp_ns: int, lens: Intrinsics | None, turn: Matrix | None
    ) -> EgoMotion | None:
        """Integrate the rates since the last frame; return the rotation, None if it is unknown.

        Args:
            stamp_ns: of the frame.
            lens: of the camera, None when it is unknown.
            turn: ``(3, 3)`` from the gyroscope's axes to the camera's, None when it is unknown.
        """
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._frames += 1
            newest_ns = self._timeline.newest_ns
            if newest_ns is not None:
                self._ahead_s = (newest_ns - stamp_ns) / 1e9
            if lens is None or turn is None:
                self._dropped["no_lens" if lens is None else "no_mount"] += len(waiting)
                self._ego = None
                return None
            if self._ego is None or self._turn is None or not np.array_equal(self._turn, turn):
                self._ego = EgoMotion(lens)  # rates in other axes say nothing any more
            elif self._ego.lens != lens:
                self._ego = replace(self._ego, lens=lens)
            self._turn = turn
            if waiting:
                stamps_ns, rates_rad_s = zip(*waiting, strict=True)
                self._ego = self._ego.with_rates(stamps_ns, np.array(rates_rad_s) @ turn.T)
                self._used += len(waiting)
            self._frames_known += self._ego.knows(stamp_ns)
            return self._ego

    def status(self) -> RateStatus:
        """Return a snapshot of the counters."""
        with self._lock:
            last_s = self._received_s
            return RateStatus(
                received=self._received,
                used=self._used,
                dropped=dict(self._dropped),
                without_stamp=self._without_stamp,
                jumps_back=self._jumps_back,
                silent_s=None if last_s is None else time.monotonic() - last_s,
                frames=self._frames,
                frames_known=self._frames_known,
                ahead_s=self._ahead_s,
                problem=self._problem,
            )

    def _count(self) -> None:
        self._received += 1
        self._received_s = time.monotonic()
