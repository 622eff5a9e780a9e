# SPDX-License-Identifier: Apache-2.0
"""How many crops may still be shown: in any minute, and on this day."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone

_MINUTE_S = 60.0


def day_of(wall_s: float) -> str:
    """Return the day of a wall-clock time, UTC.

    >>> day_of(86400.0)
    '1970-01-02'
    """
    return datetime.fromtimestamp(wall_s, timezone.utc).strftime("%Y-%m-%d")


class Budget:
    """Counts crops; used by one thread.

    Args:
        day: whose crops are counted already.
        count: of them.
    """

    def __init__(self, day: str = "", count: int = 0) -> None:
        self._day, self._count = day, count
        self._last_minute: deque[float] = deque()

    def count_on(self, day: str) -> int:
        """Return how many crops count for a day.

        On an earlier day than the last crop's, a clock was set back: all of them still count.
        """
        return self._count if day <= self._day else 0

    def allows(self, now_s: float, day: str, per_minute: int, per_day: int) -> bool:
        """Return whether one more crop may be shown.

        Args:
            now_s: seconds of a clock that does not go back.
            day: today.
            per_minute: most in any 60 s.
            per_day: most in a day.
        """
        while self._last_minute and now_s - self._last_minute[0] >= _MINUTE_S:
            self._last_minute.popleft()
        return len(self._last_minute) < per_minute and self.count_on(day) < per_day

    def take(self, now_s: float, day: str) -> None:
        """Count one more crop."""
        self._last_minute.append(now_s)
        if day > self._day:
            self._day, self._count = day, 0
        self._count += 1
