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
from typing import Any

from lfmvl_ros.collect.bounds import Bounds, remove_unfinished
from lfmvl_ros.collect.sample import Sample
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_json_object
from lfmvl_ros.core.whole_files import make_folder, write_json, write_whole

_LARGEST_JSON = 256 << 20
_OWN_NAME = re.compile(r"[A-Za-z0-9_]+_[0-9]+\.jpg")
ANNOTATIONS = "annotations/instances.json"


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
        self._path, self._file = path, path / ANNOTATIONS
        self._entries: dict[str, dict[str, Any]] = {}
        make_folder(path / "images")
        make_folder(self._file.parent)
        remove_unfinished(path / "images")
        if self._file.exists():
            self._read()
        elif any((path / "images").iterdir()):
            raise UserError(
                f"{path / 'images'} has files of another origin; name a new folder to collect in"
            )
        else:
            self._write()
        for stray in (path / "images").glob("*.jpg"):
            if stray.name not in self._entries and _OWN_NAME.fullmatch(stray.name):
                stray.unlink(missing_ok=True)
        known = ((name, e["bytes"], e["stored_s"]) for name, e in self._entries.items())
        self._bounds = Bounds(max_mb, max_age_days, known)

    def __len__(self) -> int:
        return len(self._entries)

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
        if sample.name in self._entries:
            return False
        stored_s = time.time() if now_s is None else now_s
        self._store(sample, stored_s)
        gone = {name: self._entries.pop(name) for name in self._bounds.surplus(stored_s)}
        try:
            self._write()
        except UserError:
            self._entries = {**gone, **self._entries}  # as it was: they are still there
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
                if sample.name not in self._entries:
                    self._store(sample, time.time())
                    new += 1
        finally:
            self._write()
        return new

    def _store(self, sample: Sample, stored_s: float) -> None:
        write_whole(self._path / "images" / sample.name, sample.jpeg)
        self._entries[sample.name] = {**sample.facts, "bytes": len(sample.jpeg),
                                      "stored_s": round(stored_s, 3)}  # fmt: skip
        self._bounds.add(sample.name, len(sample.jpeg), stored_s)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._entries.pop(name, None)
            self._bounds.remove(name)
            with contextlib.suppress(OSError):
                (self._path / "images" / name).unlink()

    def _write(self) -> None:
        labels = sorted({
            label for entry in self._entries.values()
            for label in (*entry.get("labels", ()), *(each["label"] for each in entry["objects"]))
        })  # fmt: skip
        kinds = {label: number for number, label in enumerate(labels, start=1)}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, (name, entry) in enumerate(self._entries.items(), start=1):
            kept = {key: value for key, value in entry.items() if key != "objects"}
            images.append({"id": number, "file_name": name, **kept})
            annotations += [
                {
                    "id": len(annotations) + offset, "image_id": number,
                    "category_id": kinds[each["label"]], "bbox": each["bbox"],
                    "area": round(each["bbox"][2] * each["bbox"][3], 2), "iscrowd": 0,
                    "score": each["score"],
                }
                for offset, each in enumerate(entry["objects"], start=1)
            ]  # fmt: skip
        write_json(self._file, {
            "info": {"description": "Answers of a model, to be checked by a person",
                     "contributor": "lfmvl_ros collect"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": label} for label, number in kinds.items()],
        }, indent=None)  # fmt: skip

    def _read(self) -> None:
        document = read_json_object(self._file, _LARGEST_JSON)
        try:
            if document["info"]["contributor"] != "lfmvl_ros collect":
                raise ValueError("it was written by something else")
            kinds = {each["id"]: each["name"] for each in document["categories"]}
            names = {each["id"]: each["file_name"] for each in document["images"]}
            self._entries = {
                each["file_name"]: {
                    **{k: v for k, v in each.items() if k not in ("id", "file_name")},
                    "bytes": int(each["bytes"]), "stored_s": float(each["stored_s"]),
                    "objects": [],
                }
                for each in document["images"]
            }  # fmt: skip
            for each in document["annotations"]:
                self._entries[names[each["image_id"]]]["objects"].append(
                    {"label": kinds[each["category_id"]], "bbox": each["bbox"],
                     "score": each["score"]}
                )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self._file} is not a collection of this package ({error!r}); name another "
                "folder, and label this one where it is"
            ) from error
