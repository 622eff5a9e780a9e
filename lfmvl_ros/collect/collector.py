# SPDX-License-Identifier: Apache-2.0
"""Selects answers and stores them in a thread of its own, so the model never waits for the disk."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from lfmvl_ros.collect.sample import Sample, name_for, reason_for, sample_from, sample_of
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.core.user_files import user_path

_WAITING = 4  # samples that wait for the disk; each holds an image
_Make = Callable[[], "Sample | None"]
_log = logging.getLogger(__name__)


class Store(Protocol):
    """Where samples are stored."""

    def __len__(self) -> int:
        """Return the number of stored samples."""

    def holds(self, name: str) -> bool:
        """Whether a sample of this name is stored; from any thread."""

    @property
    def size_mb(self) -> float:
        """Size of the stored samples, MB."""

    def add(self, sample: Sample) -> bool:
        """Store a sample; False if it is stored already."""

    def close(self) -> None:
        """Finish the files."""


class Collector:
    """Takes every answer, and stores those that are worth labelling.

    Args:
        settings: with a folder.
        warn: called with a sentence when samples begin not to be stored.

    Raises:
        UserError: the folder can't be written, or the key is not an age public key.
    """

    def __init__(self, settings: CollectSettings, warn: Callable[[str], object]) -> None:
        self._settings, self._warn = settings, warn
        self.path = user_path(settings.folder, "collect.folder")
        self._store = store_of(settings, self.path)
        self._counts: Counter[str] = Counter()
        self._last_ns: dict[str, int] = {}
        self._named: deque[str] = deque(maxlen=2 * _WAITING)  # they may not be stored yet
        self._problem = ""
        self._queue: queue.Queue[tuple[_Make, str] | None] = queue.Queue(_WAITING)
        self._stored, self._size_mb = len(self._store), self._store.size_mb
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        self._thread.start()

    def answer(self, answer: Answer, *, drifting: bool) -> None:
        """Take an answer; returns at once."""
        grounding = answer.grounding
        reason = reason_for(grounding, self._settings, drifting=drifting)
        if not reason or answer.frame is None:
            return
        last_ns = self._last_ns.get(grounding.camera)
        apart_ns = self._settings.min_interval_s * 1e9
        if last_ns is not None and 0 <= grounding.stamp_ns - last_ns < apart_ns:
            return
        if self._put(lambda: sample_of(answer, reason), reason):
            self._last_ns[grounding.camera] = grounding.stamp_ns

    def event(self, frame: Frame, tracks: Tracks, query: Query, model: str) -> str:
        """Take the frame at which events began, once; return the file name that it gets.

        The tracks of the frame are its boxes. Returns at once, and "" where it will not be stored:
        ``collect.events`` is false, or too many samples wait for the disk. Where an image of that
        camera and stamp is there already, as after a restart of a simulation's time, the name has
        a number, so that the event does not name another image.
        """
        if not self._settings.events:
            return ""
        numbers = itertools.count(1)
        while (name := name_for(frame, next(numbers))) in self._named or self._store.holds(name):
            pass
        make = functools.partial(sample_from, frame, tracks, query, model, "event", name)
        if not self._put(make, "event"):
            return ""
        self._named.append(name)
        return name

    def _put(self, make: _Make, reason: str) -> bool:
        try:
            self._queue.put_nowait((make, reason))
        except queue.Full:
            self._counts["dropped"] += 1
            return False
        return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Store the waiting samples, and end the thread."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._warn(
                f"the disk of {self.path} is slow: up to {_WAITING + 1} samples that wait for it "
                "may not be stored, although events name them"
            )

    def status(self) -> tuple[str, Mapping[str, object]]:
        """Return why nothing is stored ("" if it is), and the counts."""
        return self._problem, {
            "folder": str(self.path),
            "samples": self._stored,
            "size_mb": round(self._size_mb, 1),
            "uncertain": self._counts["uncertain"],
            "drift": self._counts["drift"],
            "event": self._counts["event"],
            "dropped": self._counts["dropped"],
            "failed": self._counts["failed"],
        }

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._store_one(*item)
            except UserError as error:
                self._failed(str(error))
            except Exception as error:  # a defect here must not end the collection
                _log.exception("storing a sample failed")
                self._failed(repr(error))
        try:
            self._store.close()
        except UserError as error:
            self._warn(f"the newest samples stay in annotations/new.jsonl: {error}")

    def _store_one(self, make: _Make, reason: str) -> None:
        sample = make()
        if sample is not None and self._store.add(sample):
            self._counts[reason] += 1
        self._stored, self._size_mb = len(self._store), self._store.size_mb
        self._problem = ""

    def _failed(self, problem: str) -> None:
        self._counts["failed"] += 1
        if not self._problem:
            self._warn(f"a sample was not stored: {problem}")
        self._problem = problem


def store_of(settings: CollectSettings, path: Path) -> Store:
    """Return the store that the settings ask for.

    Raises:
        UserError: the folder can't be written, or the key is not an age public key.
    """
    from lfmvl_ros.collect.folder import SampleFolder
    from lfmvl_ros.collect.sealed import SealedFolder

    if settings.public_key:
        return SealedFolder(path, settings.public_key, settings.max_mb, settings.max_age_days)
    return SampleFolder(path, settings.max_mb, settings.max_age_days)
