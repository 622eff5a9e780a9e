# SPDX-License-Identifier: Apache-2.0
"""Sightings on disk: a SQLite database, bounded by age and number of objects."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from lfmvl_ros.core.database_errors import database_errors
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.parsing.labels import fold_loosely
from lfmvl_ros.core.user_files import check_regular, exists
from lfmvl_ros.core.whole_files import make_folder

_TABLE = """
CREATE TABLE IF NOT EXISTS seen (
    run TEXT NOT NULL, camera TEXT NOT NULL, track INTEGER NOT NULL, label_key TEXT NOT NULL,
    label TEXT NOT NULL, stamp_ns INTEGER NOT NULL, unix_s REAL NOT NULL, confidence REAL NOT NULL,
    x1 REAL, y1 REAL, x2 REAL, y2 REAL, x_m REAL, y_m REAL, z_m REAL, frame_id TEXT NOT NULL,
    jpeg BLOB NOT NULL, PRIMARY KEY (run, camera, track)
);
CREATE INDEX IF NOT EXISTS by_time ON seen (unix_s);
CREATE INDEX IF NOT EXISTS by_label ON seen (label_key, unix_s);
"""
_COLUMNS = (
    "label, run, camera, track, stamp_ns, unix_s, confidence, x1, y1, x2, y2, x_m, y_m, z_m, "
    "frame_id, jpeg"
)


class MemoryStore:
    """The sightings of a file: one for each object. Any thread, and several processes, may use it.

    Args:
        path: of the database; made if it does not exist.
        read_only: the file must exist, and is not changed.

    Raises:
        UserError: it can't be used.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path, self._lock = path, threading.Lock()
        if read_only or exists(path):
            check_regular(path)
        if not read_only:
            make_folder(path.parent)
        with self._sentences():
            address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._base = sqlite3.connect(
                address, uri=True, check_same_thread=False, isolation_level=None, timeout=5.0
            )
            if not read_only:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.executescript(_TABLE)
            self._base.execute("SELECT count(*) FROM seen").fetchall()

    def _sentences(self) -> AbstractContextManager[None]:
        return database_errors(f"the memory {self._path}", "name another file, or free some space")

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._sentences():
            return self._base.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    def remember(self, sightings: Iterable[Sighting]) -> None:
        """Store sightings, all or none; they replace earlier ones of the same objects."""
        rows = [_row(one) for one in sightings]
        marks = ", ".join("?" * 17)
        with self._lock, self._sentences(), self._transaction():
            self._base.executemany(
                f"INSERT OR REPLACE INTO seen ({_COLUMNS}, label_key) VALUES ({marks})", rows
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def forget(self, before_unix_s: float, most: int) -> int:
        """Delete sightings from before a time, and the oldest beyond a number; return how many."""
        with self._lock, self._sentences(), self._transaction():
            old = self._base.execute("DELETE FROM seen WHERE unix_s < ?", (before_unix_s,)).rowcount
            count = int(self._base.execute("SELECT count(*) FROM seen").fetchone()[0])
            if count > most:
                self._base.execute(
                    "DELETE FROM seen WHERE rowid IN "
                    "(SELECT rowid FROM seen ORDER BY unix_s LIMIT ?)",
                    (count - most,),
                )
            return int(old) + max(count - most, 0)

    def last(self, label: str, most: int = 1, camera: str = "") -> list[Sighting]:
        """Return where objects of a label were last seen, the newest first.

        Args:
            label: compared as :func:`~lfmvl_ros.core.parsing.labels.fold_loosely` does.
            most: how many at most.
            camera: only of this one; "": of any.

        Raises:
            UserError: the database can't be read, or a row is not a sighting.
        """
        rows = self._run(
            f"SELECT {_COLUMNS} FROM seen WHERE label_key = ? AND ? IN ('', camera) "
            "ORDER BY unix_s DESC, track DESC LIMIT ?",
            *(fold_loosely(label), camera, most),
        )
        try:
            return [_sighting(row) for row in rows]
        except ValueError as error:
            raise UserError(
                f"the memory {self._path} is damaged ({error}); name another file, or delete it"
            ) from error

    def labels(self) -> list[str]:
        """Return the labels that are remembered, each once."""
        rows = self._run("SELECT max(label) FROM seen GROUP BY label_key ORDER BY label_key")
        return [str(label) for (label,) in rows]


def _row(one: Sighting) -> tuple[Any, ...]:
    return (
        *(one.label, one.run, one.camera, one.track, one.stamp_ns, one.seen_unix_s),
        *(one.confidence, *one.bbox, *(one.position_m or (None, None, None)), one.frame_id),
        *(one.jpeg, fold_loosely(one.label)),
    )


def _sighting(row: tuple[Any, ...]) -> Sighting:
    label, run, camera, track, stamp_ns, unix_s, confidence = row[:7]
    x_m, y_m, z_m, frame_id, jpeg = row[11:]
    position = None if x_m is None or not frame_id else (x_m, y_m, z_m)
    return Sighting(
        *(label, run, camera, track, stamp_ns, unix_s, confidence, tuple(row[7:11])),
        position_m=position,
        frame_id=frame_id if position else "",
        jpeg=jpeg,
    )
