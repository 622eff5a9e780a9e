# SPDX-License-Identifier: Apache-2.0
"""Items and answers on disk: whatever was taken is still there after a crash.

A SQLite database; each item and each answer is a transaction of its own, written through to the
disk (``synchronous=FULL``) before anything else happens with it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.database_errors import database_errors
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer, ReviewItem, read_answer, read_item
from lfmvl_ros.core.review.item import Settlement
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import make_folder

MAX_ITEMS = 20_000
_SHOWN = 20

_TABLES = """
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, topic TEXT NOT NULL, label TEXT NOT NULL,
    document TEXT NOT NULL, outcome TEXT, published INTEGER
);
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY REFERENCES items (id), document TEXT NOT NULL, unix_s REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
);
"""
_OPEN = "FROM items LEFT JOIN answers USING (id) WHERE answers.id IS NULL"


@dataclass(frozen=True)
class ReviewCounts:
    """How many items there are.

    Attributes:
        waiting: not answered, and their events are held.
        late: not answered, and held no longer: an answer is a label, and nothing else.
        answered: answered.
        refused: not taken, since :data:`MAX_ITEMS` are there; of this process.
        damaged: not shown, since their rows can't be read; when the items were last listed.
    """

    waiting: int
    late: int
    answered: int
    refused: int
    damaged: int = 0


class ReviewStore:
    """The items of a folder. Any thread may use it.

    Args:
        path: of the database, which is made.

    Raises:
        UserError: it can't be used.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path, self._lock = path, threading.Lock()
        self._refused = self._damaged = 0
        self._listed: dict[bytes, dict[str, Any] | None] = {}
        with self._sentences():
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            # A damaged text must not hide the rows beside it.
            self._base.text_factory = lambda data: data.decode("utf-8", "replace")
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)

    def _sentences(self) -> AbstractContextManager[None]:
        advice = "choose another folder with --out, or free some space"
        return database_errors(str(self._path), advice)

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._sentences():
            return self._base.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    # -- from the node -----------------------------------------------------------------------------

    def take(self, topic: str, text: str) -> bool:
        """Take a document of topic ``review``; False where it was known, or can't be taken.

        Raises:
            UserError: it is none, or can't be written.
        """
        found = read_item(text)
        if isinstance(found, Settlement):
            self._run(
                "UPDATE items SET outcome = ?, published = ? WHERE id = ? AND topic = ?",
                *(found.outcome, int(found.published), found.id, topic),
            )
            return True
        if self._run("SELECT 1 FROM items WHERE id = ?", found.id):
            return False
        if self._run("SELECT count(*) FROM items")[0][0] >= MAX_ITEMS:
            self._refused += 1
            return False
        document = json_text(found.to_dict())
        self._run(
            "INSERT OR IGNORE INTO items (id, topic, label, document) VALUES (?, ?, ?, ?)",
            *(found.id, topic, found.label, document),
        )
        return True

    # -- to the page -------------------------------------------------------------------------------

    def counts(self) -> ReviewCounts:
        """Return how many items there are."""
        ((waiting, late),) = self._run(
            "SELECT coalesce(sum(outcome IS NULL), 0), coalesce(sum(outcome IS NOT NULL), 0) "
            + _OPEN
        )
        ((answered,),) = self._run("SELECT count(*) FROM answers")
        return ReviewCounts(waiting, late, answered, self._refused, self._damaged)

    def open_items(self) -> list[dict[str, Any]]:
        """Return what is to be answered next, as JSON: items that are held first, then by age.

        Rows that can't be read are skipped and counted.
        """
        found: list[dict[str, Any]] = []
        seen, read = 0, {}
        while len(found) < _SHOWN:
            rows = self._run(
                f"SELECT items.document, outcome, published {_OPEN} "
                f"ORDER BY outcome IS NOT NULL, number LIMIT {_SHOWN} OFFSET {seen}"
            )
            if not rows:
                break
            seen += len(rows)
            for document, outcome, published in rows:
                # The page asks every second: what has not changed is not decoded again.
                digest = hashlib.sha256(document.encode("utf-8", "surrogatepass")).digest()
                known = self._listed
                item = read[digest] = known[digest] if digest in known else _shown(document)
                if item is not None:
                    found.append({**item, "outcome": outcome, "published": published})
        self._listed, self._damaged = read, seen - len(found)
        return found[:_SHOWN]

    def labels(self) -> list[str]:
        """Return the labels of all items, most frequent first."""
        rows = self._run(
            "SELECT label FROM items WHERE label != '' GROUP BY label "
            "ORDER BY count(*) DESC LIMIT 100"
        )
        return [label for (label,) in rows]

    def item(self, number: str) -> ReviewItem | None:
        """Return an item; None where there is none, or its row can't be read."""
        rows = self._run("SELECT document FROM items WHERE id = ?", number)
        try:
            return _item(rows[0][0]) if rows else None
        except UserError:
            return None

    # -- answers -----------------------------------------------------------------------------------

    def answer(self, answer: ReviewAnswer) -> str:
        """Keep the answer to an item; return what is wrong with it, "" where nothing is."""
        if not self._run("SELECT 1 FROM items WHERE id = ?", answer.id):
            return "there is no such item"
        if self._run("SELECT 1 FROM answers WHERE id = ?", answer.id):
            return "it has been answered"
        self._run(
            "INSERT OR IGNORE INTO answers (id, document, unix_s) VALUES (?, ?, ?)",
            *(answer.id, json_text(answer.to_dict()), time.time()),
        )
        return ""

    def unsent(self) -> list[tuple[str, str, str]]:
        """Return answers that a node may wait for: id, topic of the item, JSON."""
        rows = self._run(
            "SELECT id, topic, answers.document FROM answers JOIN items USING (id) "
            "WHERE NOT sent AND outcome IS NULL ORDER BY number"
        )
        return [(number, topic, document) for number, topic, document in rows]

    def mark_sent(self, number: str) -> None:
        """Note that the answer to an item has gone out."""
        self._run("UPDATE answers SET sent = 1 WHERE id = ?", number)

    def answered(self) -> Iterator[tuple[ReviewItem, ReviewAnswer]]:
        """Return every item that is answered, in the order in which they came."""
        numbers = self._run("SELECT id FROM items JOIN answers USING (id) ORDER BY number")
        for (number,) in numbers:
            rows = self._run(
                "SELECT items.document, answers.document FROM items JOIN answers USING (id) "
                "WHERE id = ?",
                number,
            )
            if len(rows) != 1:  # the index and the table of a damaged database disagree
                raise UserError(f"{self._path} is damaged; choose another folder with --out")
            yield _item(rows[0][0]), read_answer(rows[0][1])


def _shown(document: str) -> dict[str, Any] | None:
    """Return an item as JSON, without its image; None where it can't be read."""
    try:
        shown = _item(document).to_dict()
    except UserError:
        return None
    del shown["jpeg"]
    return shown


def _item(document: str) -> ReviewItem:
    found = read_item(document)
    if not isinstance(found, ReviewItem):
        raise UserError("the database of reviews is damaged; choose another folder with --out")
    return found
