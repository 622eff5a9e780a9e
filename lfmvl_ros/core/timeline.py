# SPDX-License-Identifier: Apache-2.0
"""When does time restart? The one rule for images, gyroscope rates and tracks.

The stamps of a stream are checked one after the other (:class:`Timeline`):

1. A stamp newer than the newest so far is kept, however far ahead it is: a bag skips, a clock is
   set. If that one stamp was wrong, the next one restarts time by rule 2 or 3; nothing is blocked.
2. A stamp older than the newest by more than the reorder window restarts time at once.
3. Any other stamp is out of order and dropped. But if :data:`RUN` stamps dropped in a row are
   increasing, time has restarted: a bag shorter than the window loops, or a simulation was reset
   soon after its start. Equal stamps do not count as increasing, so a paused simulation restarts
   nothing.

Why five: a message that others overtake arrives late, and where no message moves by more than four
places, at most four late ones arrive in a row. So a pool of up to five threads that decodes or
forwards images never causes a restart, and a loop is recognised at its fifth image.

A zero stamp in a ROS header means that the driver set none; see :class:`MessageTimeline`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

RUN = 5
NS = 1e-9
"""Seconds in a nanosecond."""
NS_PER_S = 1_000_000_000
"""Nanoseconds in a second."""

_FORGOTTEN = (
    "the stamp is zero, and messages before had one; a driver has to stamp all of them or none. If "
    "it has been changed, deactivate and activate the node"
)
_NO_CLOCK = "the stamp is zero, and simulated time is not known: nothing came on /clock yet"


class Verdict(str, Enum):
    """What happens to a message, by its stamp.

    ``newer``: kept, time continues.
    ``restarted``: kept; time restarts with it, so nothing from before is valid.
    ``out_of_order``: dropped, not newer than one that was kept.
    ``unstamped``: dropped, it has no stamp and cannot be given one.
    """

    NEWER = "newer"
    RESTARTED = "restarted"
    OUT_OF_ORDER = "out_of_order"
    UNSTAMPED = "unstamped"

    @property
    def is_kept(self) -> bool:
        """Whether the message is used."""
        return self in (Verdict.NEWER, Verdict.RESTARTED)


def check_stamp(name: str, stamp_ns: object) -> None:
    """Raise ``ValueError`` unless a stamp is an integer, of Python and not of numpy.

    A float has no room for the nanoseconds of a clock of today. Numpy's integers overflow, and no
    JSON document takes them.

    >>> check_stamp("Frame.stamp_ns", 1.5)
    Traceback (most recent call last):
    ValueError: Frame.stamp_ns must be integer nanoseconds, an int, got 1.5 (float)
    """
    if not isinstance(stamp_ns, int) or isinstance(stamp_ns, bool):
        raise ValueError(
            f"{name} must be integer nanoseconds, an int, got {stamp_ns!r} "
            f"({type(stamp_ns).__name__})"
        )


def check_capture_stamp(name: str, stamp_ns: int) -> None:
    """Raise ``ValueError`` unless a stamp is one of :func:`check_stamp`, and not before 1970."""
    check_stamp(name, stamp_ns)
    if stamp_ns < 0:
        raise ValueError(f"{name} must be nanoseconds >= 0, got {stamp_ns}")


def stamp_document(stamp_ns: int) -> dict[str, int]:
    """Return a stamp as every JSON document has it: as in the ROS header.

    >>> stamp_document(1_500_000_000)
    {'sec': 1, 'nanosec': 500000000}
    """
    sec, nanosec = divmod(stamp_ns, 10**9)
    return {"sec": sec, "nanosec": nanosec}


def jumped_back(newest_ns: int, stamp_ns: int, window_ns: float) -> bool:
    """Return whether a stamp is too old to be just late.

    >>> jumped_back(5_000, 3_000, window_ns=2_000), jumped_back(5_000, 2_999, window_ns=2_000)
    (False, True)
    """
    return newest_ns - stamp_ns > window_ns


class _Run:
    """Counts stamps that are out of order but increase among themselves."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self._last_ns: int | None = None
        self._increases = 0

    def add(self, stamp_ns: int) -> bool:
        """Count a stamp; True once RUN stamps have increased.

        A step back does not reset the count, so a loop of fewer than RUN images is recognised too,
        in a later round.
        """
        if self._last_ns is not None and stamp_ns > self._last_ns:
            self._increases += 1
        self._last_ns = stamp_ns
        return self._increases >= RUN - 1


class Timeline:
    """The order of one stream's stamps. Used by one thread at a time.

    Between two restarts the stamps that are kept strictly increase.

    Args:
        newest_ns: the newest stamp so far; None when there is none.

    >>> timeline = Timeline()
    >>> [timeline.judge(stamp_ns, window_ns=50).value for stamp_ns in (100, 101, 101, 80, 20)]
    ['newer', 'newer', 'out_of_order', 'out_of_order', 'restarted']
    """

    def __init__(self, newest_ns: int | None = None) -> None:
        self._newest_ns = newest_ns
        self._run = _Run()

    @property
    def newest_ns(self) -> int | None:
        """The newest stamp since time last started; None before the first."""
        return self._newest_ns

    def judge(self, stamp_ns: int, window_ns: float) -> Verdict:
        """Return the verdict on the next stamp.

        Args:
            stamp_ns: nanoseconds of any clock. Zero is a time like any other here.
            window_ns: how late a stamp may be without restarting time by itself.
        """
        newest_ns = self._newest_ns
        if newest_ns is None or stamp_ns > newest_ns:
            verdict = Verdict.NEWER
        elif jumped_back(newest_ns, stamp_ns, window_ns) or self._run.add(stamp_ns):
            verdict = Verdict.RESTARTED
        else:
            return Verdict.OUT_OF_ORDER
        self._newest_ns = stamp_ns
        self._run.clear()
        return verdict


class JudgedStamp(NamedTuple):
    """The result of the check of a message's stamp, and its time.

    Attributes:
        verdict: on its stamp.
        stamp_ns: its stamp or, without one, when it was received; 0 when it is ``unstamped``.
        why: the reason, as part of a sentence; empty when it is ``newer``.
    """

    verdict: Verdict
    stamp_ns: int
    why: str


class MessageTimeline:
    """The timeline of one topic: header stamps, or times of receipt if it is never stamped.

    The first message with a usable time decides which clock is used, and the two are never mixed:

    * A topic that is stamped stays so: a message without a stamp is dropped (``unstamped``).
    * A topic that is not stamped gets the times of receipt. Stamped messages on it are dropped
      (``out_of_order``) until :data:`RUN` of them, with none unstamped in between, have increased;
      then their stamps are used, and time restarts.
    * If there is no time of receipt (simulated time before the first ``/clock``), a message
      without a stamp is dropped (``unstamped``) and decides nothing.
    """

    def __init__(self) -> None:
        self._timeline, self._run = Timeline(), _Run()
        self._stamped: bool | None = None

    @property
    def newest_ns(self) -> int | None:
        """The newest time since time last started; None before the first."""
        return self._timeline.newest_ns

    @property
    def stamped(self) -> bool | None:
        """Whether header stamps are used; None before the first message with a usable time."""
        return self._stamped

    def reopen(self) -> None:
        """Let the next message decide again which clock is used; the newest time stays."""
        self._stamped = None
        self._run.clear()

    def judge(self, stamp_ns: int | None, receipt_ns: int, window_ns: float) -> JudgedStamp:
        """Return the verdict on the next message, and its time.

        Args:
            stamp_ns: of its header; None when it has none.
            receipt_ns: when it was received; 0 when that is not known. Only used without a stamp.
            window_ns: how late a message may be without restarting time by itself.
        """
        if stamp_ns is None:
            if self._stamped or receipt_ns <= 0:
                return JudgedStamp(Verdict.UNSTAMPED, 0, _FORGOTTEN if self._stamped else _NO_CLOCK)
            self._stamped = False
            self._run.clear()
            return self._ordered(receipt_ns, window_ns)
        if self._stamped is False:
            if not self._run.add(stamp_ns):
                why = f"the stamp is {stamp_ns} ns, and messages before had none"
                return JudgedStamp(Verdict.OUT_OF_ORDER, stamp_ns, why)
            self._stamped, self._timeline = True, Timeline(stamp_ns)
            return JudgedStamp(Verdict.RESTARTED, stamp_ns, "messages have a stamp now")
        self._stamped = True
        return self._ordered(stamp_ns, window_ns)

    def _ordered(self, taken_ns: int, window_ns: float) -> JudgedStamp:
        before_ns = self._timeline.newest_ns or 0
        verdict = self._timeline.judge(taken_ns, window_ns)
        why = ""
        if verdict is Verdict.OUT_OF_ORDER:
            why = f"the time {taken_ns} ns is not newer than {before_ns} ns"
        elif verdict is Verdict.RESTARTED:
            why = f"stamps jumped back by {(before_ns - taken_ns) / 1e9:.3f} s"
        return JudgedStamp(verdict, taken_ns, why)
