# SPDX-License-Identifier: Apache-2.0
"""The audit file: a line before each crop is shown, and one with the outcome."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.timeline import stamp_document
from lfmvl_ros.core.user_files import check_regular, exists
from lfmvl_ros.core.whole_files import JsonLines, writing

SCHEMA = "lfmvl/opinion_audit/1"
SENT = "sent"
_LONGEST_LINE = 2048  # bytes; labels and names are short
_TAIL_BYTES = 128 << 20  # more than a day's lines


@dataclass(frozen=True)
class Shown:
    """One crop that is shown to the second model.

    Attributes:
        stamp_ns: of its camera frame, ROS clock.
        camera: that took it.
        id, label: of its track.
        taken_wh: (width, height) of the part of the camera image, px.
        shown_wh: of the crop as it is shown, px.
        bytes: of its pixels, not compressed.
        to: where it goes, without keys.
    """

    stamp_ns: int
    camera: str
    id: int
    label: str
    taken_wh: tuple[int, int]
    shown_wh: tuple[int, int]
    bytes: int
    to: str

    def line(self, wall_s: float, outcome: str) -> dict[str, Any]:
        """Return the line about it.

        Args:
            wall_s: time of the line, wall clock.
            outcome: :data:`SENT`, or how it ended.
        """
        wall = datetime.fromtimestamp(wall_s, timezone.utc)
        return {
            "schema": SCHEMA,
            "wall_time": wall.isoformat(timespec="milliseconds"),
            "outcome": outcome,
            "stamp": stamp_document(self.stamp_ns),
            "camera": self.camera,
            "id": self.id,
            "label": self.label,
            "taken": list(self.taken_wh),
            "shown": list(self.shown_wh),
            "bytes": self.bytes,
            "to": self.to,
        }


class AuditFile:
    """Appends lines that are on the disk before :meth:`write` returns.

    Args:
        path: of the file; it is continued, and its folder made.

    Raises:
        UserError: it can't be written, or is another kind of file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        torn = _check(path)
        self._lines = JsonLines(path, append=True, settled=True)
        if torn:
            with writing(path), path.open("ab") as file:
                file.write(b"\n")

    def write(self, shown: Shown, wall_s: float, outcome: str) -> None:
        """Append a line.

        Raises:
            UserError: it can't be written.
        """
        self._lines.write(shown.line(wall_s, outcome))

    def count_on(self, day: str) -> int:
        """Return how many crops were shown on a day.

        Only the end of the file is read. A line that was cut off by a power failure counts.

        Raises:
            UserError: the file can't be read.
        """
        with writing(self._path), self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            if size > _TAIL_BYTES:
                file.readline()  # the rest of one
            return sum(_is_sent_on(line, day) for line in file)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _check(path: Path) -> bool:
    """Refuse a file of another kind; return whether its last line was cut off."""
    if not exists(path):
        return False
    check_regular(path)
    with writing(path), path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
        if not first:
            return False
        file.seek(-1, os.SEEK_END)
        torn = file.read(1) != b"\n"
    if _document(first) is None and not (torn and first.startswith(b'{"schema": "lfmvl/')):
        raise UserError(
            f"{path} is not an audit file of second opinions (its first line is of another kind); "
            "name another opinion.audit_file"
        )
    return torn


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def _is_sent_on(line: bytes, day: str) -> bool:
    found = _document(line)
    if found is None:
        return bool(line.strip())
    when = str(found.get("wall_time", ""))
    return found.get("outcome") == SENT and when.startswith(day)
