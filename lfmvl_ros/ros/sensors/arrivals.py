# SPDX-License-Identifier: Apache-2.0
"""How many of a camera's images did not arrive, and why. No ROS in here.

Three sources are combined, since none is complete:

* header stamps: an image is missing for each whole period of the camera between two stamps. Every
  RMW has them, but they can't tell a lost image from one that was never sent;
* the publisher's sequence numbers: images that were sent and not received by this node;
* the middleware's message-lost event: images lost on the way. Other gaps in the sequence numbers
  are images that were replaced by a newer one before this node took them.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

_WINDOW = 40  # intervals that the period is estimated from
_LEAST = 10  # of them, before anything is counted
_QUANTILE = 0.25  # the period is right while less than three quarters of the images are missing
_TOLERANCE = 0.25  # of a period, by which an interval may differ from a whole number of periods
_STEADY = 6  # equal intervals in a row are a new rate, whatever came before them
_REGULAR = 0.85  # share of the intervals that must be that close, else the rate varies
_PAUSE_PERIODS, _PAUSE_S = 10, 1.0  # a longer interval is a pause: the camera or a bag stood still
_MAX_SEQUENCE_STEP = 10_000  # more: another publisher
# Losses matter from this share of the images on, over the last reports, and from two on.
_LOSS_SHARE, _LOSS_REPORTS, _LEAST_LOST = 0.05, 5, 2


@dataclass(frozen=True)
class ArrivalStatus:
    """Counts since the start; all only grow.

    Attributes:
        arrived: images that came.
        lost: images that were sent and not received.
        replaced: images that arrived, but a newer one came before this node took them.
        not_sent: periods in which the camera sent nothing.
        period_s: between two images of the camera; None while unknown or when its rate varies.
    """

    arrived: int = 0
    lost: int = 0
    replaced: int = 0
    not_sent: int = 0
    period_s: float | None = None


NOTHING_YET = ArrivalStatus()


class StampGaps:
    """Counts images that are missing between stamps, for a camera whose rate is regular.

    The period is the lower quartile of the last intervals, and a gap counts only while nearly all
    of them are whole multiples of it: nothing is counted for a camera whose rate varies. A new rate
    (exposure times in the dark) is recognised after a few images.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._last_ns: int | None = None
        self._intervals_ns: deque[int] = deque(maxlen=_WINDOW)

    @property
    def period_ns(self) -> float | None:
        """Return the camera's period; None before enough stamps, and when the rate varies."""
        if len(self._intervals_ns) < _LEAST:
            return None
        recent = sorted(list(self._intervals_ns)[-_STEADY:])
        if recent[-1] <= (1 + _TOLERANCE) * recent[0]:
            return recent[_STEADY // 2]
        intervals = sorted(self._intervals_ns)
        base = intervals[int(_QUANTILE * len(intervals))]
        single = [i for i in intervals if abs(i / base - 1.0) <= _TOLERANCE]
        period = single[len(single) // 2]  # their median
        close = sum(abs(i / period - max(1, round(i / period))) <= _TOLERANCE for i in intervals)
        return period if close >= _REGULAR * len(intervals) else None

    def add(self, stamp_ns: int) -> None:
        """Take the stamp of an image as it arrives.

        One older by up to a second is late and ignored; an older one means that time jumped back.
        """
        last_ns = self._last_ns
        if last_ns is not None and 0 <= last_ns - stamp_ns <= _PAUSE_S * 1e9:
            return
        self._last_ns = stamp_ns
        if last_ns is None or stamp_ns < last_ns:
            return
        interval_ns, period_ns = stamp_ns - last_ns, self.period_ns
        pause_ns = max(_PAUSE_S * 1e9, _PAUSE_PERIODS * (period_ns or self._shortest_ns))
        if interval_ns > pause_ns:
            return
        if period_ns is not None:
            self.missing += max(0, round(interval_ns / period_ns) - 1)
        self._intervals_ns.append(interval_ns)

    @property
    def _shortest_ns(self) -> float:
        return min(self._intervals_ns, default=float("inf"))


class ArrivalMonitor:
    """Counts one camera's images; the callbacks' thread adds, any thread may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gaps = StampGaps()
        self._arrived = self._skipped = self._lost = 0
        self._sequence: int | None = None
        self._has_sequence = self._has_events = False

    def arrived(self, stamp_ns: int, sequence: int | None = None) -> None:
        """Take an image as it arrives, before anything is dropped on purpose.

        Args:
            stamp_ns: of its header; 0 for none.
            sequence: number that its publisher gave it, growing by 1; None where the RMW has none.
        """
        with self._lock:
            self._arrived += 1
            if stamp_ns > 0:
                self._gaps.add(stamp_ns)
            if sequence is None:
                return
            if self._sequence is not None and 1 <= sequence - self._sequence < _MAX_SEQUENCE_STEP:
                self._skipped += sequence - self._sequence - 1
            self._sequence, self._has_sequence = sequence, True

    def counts_losses(self) -> None:
        """Record that the middleware reports lost messages."""
        self._has_events = True

    def lost(self, count: int) -> None:
        """Add ``count`` lost images reported by the middleware."""
        with self._lock:
            self._lost += count

    def status(self) -> ArrivalStatus:
        """Return the counts so far."""
        with self._lock:
            period_ns, missing, lost = self._gaps.period_ns, self._gaps.missing, self._lost
            if not self._has_sequence:
                lost, replaced, not_sent = max(lost, missing), 0, 0
            else:
                if not self._has_events:
                    lost = self._skipped
                replaced = max(0, self._skipped - lost)
                not_sent = max(0, missing - max(self._skipped, lost))
            period_s = None if period_ns is None else period_ns / 1e9
            return ArrivalStatus(self._arrived, lost, replaced, not_sent, period_s)


class LossWatch:
    """Detects from report to report whether images are being lost."""

    def __init__(self) -> None:
        self._reports = deque([NOTHING_YET], maxlen=_LOSS_REPORTS + 1)

    def add(self, status: ArrivalStatus) -> None:
        """Take the counts of another report."""
        self._reports.append(status)

    def recent(self) -> str:
        """Return how many were lost over the last reports; "" if that is few or none."""
        first, last = self._reports[0], self._reports[-1]
        lost, total = last.lost - first.lost, last.lost + last.arrived - first.lost - first.arrived
        if lost < _LEAST_LOST or lost < _LOSS_SHARE * total:
            return ""
        return f"{lost} of {total} images were lost on the way"
