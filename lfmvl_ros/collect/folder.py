# SPDX-License-Identifier: Apache-2.0
"""A bounded folder of samples in COCO format; each is stored completely or not at all.

An image is written first, then the annotations that name it; deletion happens in the opposite
order. An image that no annotation names (the process ended in between) is deleted at the next
start.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

from lfmvl_ros.collect.annotations import Annotations
from lfmvl_ros.collect.bounds import Bounds, remove_unfinished
from lfmvl_ros.collect.sample import Sample
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import make_folder, write_whole

_OWN_NAME = re.compile(r"[A-Za-z0-9_-]+_[0-9]+\.jpg")
# What goes at once where something has to go: the annotations are written anew for it.
_LEAST_SHARE = 0.01


class SampleFolder:
    """Stores samples; one process at a time. Not thread-safe.

    Args:
        path: of the folder; one that this class has written before is continued.
        max_mb: most space, MB (10^6 bytes); the oldest samples are deleted.
        max_age_days: older samples are deleted; infinity keeps all.

    Raises:
        UserError: it can't be written, or has images or annotations of another origin.
    """

    def __init__(self, path: Path, max_mb: float, max_age_days: float) -> None:
        self._images = path / "images"
        self._annotations = Annotations(path)
        make_folder(self._images)
        make_folder(path / "annotations")
        remove_unfinished(self._images)
        remove_unfinished(path / "annotations")
        if self._annotations.exist:
            self._annotations.read()
            with contextlib.suppress(UserError):  # the disk is full: the next sample reports it
                self._annotations.write_new()
        elif any(self._images.iterdir()):
            raise UserError(
                f"{self._images} has files of another origin; name a new folder to collect in"
            )
        else:
            self._annotations.write()
        entries = self._annotations.entries
        for stray in self._images.glob("*.jpg"):
            if stray.name not in entries and _OWN_NAME.fullmatch(stray.name):
                stray.unlink(missing_ok=True)
        known = ((name, e["bytes"], e["stored_s"]) for name, e in entries.items())
        self._bounds = Bounds(max_mb, max_age_days, known)

    def __len__(self) -> int:
        return len(self._annotations.entries)

    def holds(self, name: str) -> bool:
        """Whether a sample of this name is stored; may be called from any thread."""
        return name in self._annotations.entries

    @property
    def size_mb(self) -> float:
        """What the images take, MB."""
        return self._bounds.size_mb

    def add(self, sample: Sample, now_s: float | None = None) -> bool:
        """Store a sample, and delete old ones beyond the limits; False if it is stored already.

        Args:
            sample: to be stored.
            now_s: Unix time; by default that of the system.

        Raises:
            UserError: the disk is full, or the files can't be written.
        """
        known = self._annotations
        if sample.name in known.entries:
            return False
        stored_s = time.time() if now_s is None else now_s
        self._store(sample, stored_s)
        surplus = self._bounds.surplus(stored_s, _LEAST_SHARE)
        if not surplus and not known.are_due:
            return True
        gone = {name: known.entries.pop(name) for name in surplus}
        try:
            known.write()
        except UserError:
            known.entries = {**gone, **known.entries}  # as it was: they are still there
            self._remove([sample.name])
            raise
        self._remove(gone)
        return True

    def add_all(self, samples: Iterable[Sample]) -> int:
        """Store samples as they come and write the annotations once; return how many were new.

        Where that ends early (the disk is full, an interruption), those that were stored stay.

        Raises:
            UserError: they can't be written.
        """
        new = 0
        try:
            for sample in samples:
                if sample.name not in self._annotations.entries:
                    self._store(sample, time.time())
                    new += 1
        finally:
            self._annotations.write()
        return new

    def close(self) -> None:
        """Write the annotations of all samples into the one file.

        Raises:
            UserError: it can't be written; the next process that opens the folder does it.
        """
        self._annotations.write_new()

    def _store(self, sample: Sample, stored_s: float) -> None:
        write_whole(self._images / sample.name, sample.jpeg)
        entry = {**sample.facts, "bytes": len(sample.jpeg), "stored_s": round(stored_s, 3)}
        try:
            self._annotations.add(sample.name, entry)
        except UserError:
            self._remove([sample.name])
            raise
        self._bounds.add(sample.name, len(sample.jpeg), stored_s)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._annotations.entries.pop(name, None)
            self._bounds.remove(name)
            with contextlib.suppress(OSError):
                (self._images / name).unlink()
