# SPDX-License-Identifier: Apache-2.0
"""Removes what killed processes left in /dev/shm, as ``fastdds shm clean`` does.

Tests kill nodes, and each leaves segments of several megabytes: a run of all tests would fill the
memory that its last nodes need.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

_OLD_S = 60.0  # a process that starts has its file for a moment before it has the lock on it
_LOCK = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}_el")


def remove_left_segments(folder: Path = Path("/dev/shm")) -> list[str]:
    """Remove the segments whose lock nobody holds any more; return their names."""
    removed = []
    for lock in folder.iterdir() if folder.is_dir() else ():
        if not _LOCK.fullmatch(lock.name):
            continue
        with contextlib.suppress(OSError):  # another test has removed it, or somebody holds it
            if time.time() - lock.stat().st_mtime < _OLD_S:
                continue
            file = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
                lock.unlink()
                removed.append(lock.name)
            finally:
                os.close(file)
    return removed
