# SPDX-License-Identifier: Apache-2.0
"""How long each input is tried, and what is done with processes that are still there then."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 30.0
"""How much longer a case may run that runs when the time of its input is over."""
_MARK = "LFMVL_FAULTS_WORK"
_PATIENCE_S, _LEAVING_S, _KILLED_S = 60.0, 2.0, 5.0


@dataclass(frozen=True)
class Share:
    """The time of one input, by ``time.monotonic``.

    Attributes:
        end_s: no case begins after it.
        cut_s: what still runs is ended.
        each_s: how long, where what it needs to start does not count; None where it does.
    """

    end_s: float
    cut_s: float
    each_s: float | None = None

    @property
    def left_s(self) -> float:
        """How long cases may still begin."""
        return max(0.0, self.end_s - time.monotonic())

    @property
    def patience_s(self) -> float:
        """How long a node may take to start or answer: a minute, or what is left."""
        left_s = self.cut_s - time.monotonic()
        return _PATIENCE_S if self.each_s is not None else max(0.1, min(_PATIENCE_S, left_s))

    @property
    def is_over(self) -> bool:
        """Whether what still runs is to be ended."""
        return self.each_s is None and time.monotonic() >= self.cut_s

    def part(self, parts: int) -> Share:
        """Return the first of so many equal parts of what is left."""
        if self.each_s is not None:
            return each(self.each_s / 2)
        now_s = time.monotonic()
        return Share(now_s + self.left_s / parts, now_s + max(0.0, self.cut_s - now_s) / parts)

    def begun(self) -> Share:
        """Return the share once cases begin."""
        return self if self.each_s is None else each(self.each_s)


def each(seconds: float) -> Share:
    """Return a share of so many seconds from now."""
    end_s = time.monotonic() + seconds
    return Share(end_s, end_s + GRACE_S, seconds)


class Budget:
    """Shares the time of a whole run out among inputs, some of them at a time.

    What an input needs to start, and what others leave over, counts: each gets its part of what
    is left when its turn comes.

    Args:
        inputs: how many there are.
        at_once: how many are tried at the same time.
        total_s: for all of them.
        each_s: for each of them, instead; without an end for the whole.
    """

    def __init__(
        self, inputs: int, at_once: int, *, total_s: float = 0.0, each_s: float | None = None
    ) -> None:
        self._left, self._at_once, self._each_s = inputs, at_once, each_s
        self._end_s = time.monotonic() + total_s
        self._lock = threading.Lock()

    def share(self) -> Share:
        """Return the time of the next input, from now on."""
        if self._each_s is not None:
            return each(self._each_s)
        now_s = time.monotonic()
        with self._lock:
            # Those that are being tried already need some of it, too.
            turns = max(1.0, (self._left + self._at_once - 1) / self._at_once)
            self._left -= 1
        end_s = min(now_s + max(0.0, self._end_s - now_s) / turns, self._end_s)
        return Share(end_s, min(end_s + GRACE_S, self._end_s))


def marked(work: Path) -> dict[str, str]:
    """Return an environment by which :func:`left_behind` knows a process and its children."""
    return {**os.environ, "PYTHONFAULTHANDLER": "1", _MARK: str(work)}


def left_behind(work: Path) -> list[str]:
    """End what still runs of a folder's processes; return what it was.

    Children that a command was about to end may take a moment.
    """
    end_s = time.monotonic() + _LEAVING_S
    while (found := dict(running(work))) and time.monotonic() < end_s:
        time.sleep(0.05)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(True for _ in running(work)) and time.monotonic() < end_s + _KILLED_S:
        time.sleep(0.02)
    return sorted(found.values())


def running(work: Path) -> Iterator[tuple[int, str]]:
    """Yield the processes of a folder and of those in it: id and command line."""
    mark = f"{_MARK}={work}/".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            marks = (folder / "environ").read_bytes().split(b"\0")
            if any((one + b"/").startswith(mark) for one in marks):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                yield int(folder.name), words.decode(errors="replace")[:200]
