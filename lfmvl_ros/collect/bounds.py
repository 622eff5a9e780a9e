# SPDX-License-Identifier: Apache-2.0
"""What is stored in a bounded folder, and what has to go: the one rule for both kinds of folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from lfmvl_ros.core.whole_files import writing

_DAY_S = 86400.0
_MB = 1e6
_UNFINISHED = re.compile(r"\.[A-Za-z0-9_.-]+\.[0-9]+\.part\.(jpg|json|age)")  # of whole_files


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed while it wrote a sample has left in its folder.

    Raises:
        UserError: the folder can't be read.
    """
    with writing(folder):
        for path in folder.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()


class Bounds:
    """Names with their sizes and times, the oldest first.

    Args:
        max_mb: most space, MB (10^6 bytes).
        max_age_days: older ones go; infinity keeps all.
        stored: name, bytes and Unix time in s of each that is there already, in any order.
    """

    def __init__(
        self, max_mb: float, max_age_days: float, stored: Iterable[tuple[str, int, float]] = ()
    ) -> None:
        self._max_bytes, self._max_age_s = max_mb * _MB, max_age_days * _DAY_S
        self._stored: dict[str, tuple[int, float]] = {}
        self._bytes = 0
        for name, size, stored_s in sorted(stored, key=lambda each: each[2]):
            self.add(name, size, stored_s)

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def size_mb(self) -> float:
        """What they take, MB."""
        return self._bytes / _MB

    def add(self, name: str, size: int, stored_s: float) -> None:
        """Note one that is stored now."""
        self.remove(name)
        self._stored[name] = size, stored_s
        self._bytes += size

    def remove(self, name: str) -> None:
        """Forget one; one that is not there is no error."""
        size, _ = self._stored.pop(name, (0, 0.0))
        self._bytes -= size

    def surplus(self, now_s: float, least_share: float = 0.0) -> list[str]:
        """Return what has to go, the oldest first; the newest stays.

        Args:
            now_s: Unix time, s.
            least_share: where something has to go, at least this share of all goes, [0, 1].
        """
        total, least = self._bytes, int(least_share * len(self._stored))
        gone: list[str] = []
        for name, (size, stored_s) in self._stored.items():
            within = total <= self._max_bytes and now_s - stored_s <= self._max_age_s
            enough = not gone or len(gone) >= least
            if (within and enough) or len(gone) + 1 == len(self._stored):
                break
            total -= size
            gone.append(name)
        return gone
