# SPDX-License-Identifier: Apache-2.0
"""Segments of processes that were killed are removed, and no others."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .shared_memory import remove_left_segments

LEFT, USED, NEW = (f"fastrtps_{name * 16}" for name in "abc")


def test_only_old_segments_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    others = ["fastrtps_port7001", "fastrtps_port7001_el", "sem.fastrtps_port7001_mutex"]
    for name in (*others, *(f"{one}{end}" for one in (LEFT, USED, NEW) for end in ("", "_el"))):
        (tmp_path / name).touch()
        if not name.startswith(NEW):
            os.utime(tmp_path / name, (1, 1))
    with (tmp_path / f"{USED}_el").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert remove_left_segments(tmp_path) == [f"{LEFT}_el"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, USED, f"{USED}_el", NEW, f"{NEW}_el"}
