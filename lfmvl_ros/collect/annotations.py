# SPDX-License-Identifier: Apache-2.0
"""The annotations of a folder of samples on disk: one file in COCO format, and what is new since.

Writing the file takes time that grows with the number of samples: a second for 10,000. So it is
written when a hundredth of the samples is new. Until then each of these has a line in a second
file, from which nothing is lost when the process is killed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import parse_json, read_bytes, read_json_object
from lfmvl_ros.core.whole_files import JsonLines, finite, whole_file, writing

ANNOTATIONS = "annotations/instances.json"
NEW = "annotations/new.jsonl"
_LARGEST = 256 << 20
_INFO = {
    "description": "Answers of a model, to be checked by a person",
    "contributor": "lfmvl_ros collect",
}
_SHARE = 100  # one in so many samples may be new

Entry = dict[str, Any]


class Annotations:
    """What is known of each sample, by the name of its image; the oldest first.

    An entry has the facts of :class:`lfmvl_ros.collect.sample.Sample`, ``bytes`` and ``stored_s``.

    Args:
        folder: of the samples.
    """

    def __init__(self, folder: Path) -> None:
        self._images = folder / "images"
        self._file, self._new_file = folder / ANNOTATIONS, folder / NEW
        self._new = 0
        self.entries: dict[str, Entry] = {}

    @property
    def exist(self) -> bool:
        """Whether the folder has annotations."""
        return self._file.exists()

    @property
    def are_due(self) -> bool:
        """Whether so many samples are new that the file should be written."""
        return self._new > len(self.entries) // _SHARE

    def add(self, name: str, entry: Entry) -> None:
        """Add what is known of a sample whose image is stored.

        Raises:
            UserError: it can't be written; nothing has changed.
        """
        with JsonLines(self._new_file, append=True, settled=True) as lines:
            lines.write({"file_name": name, **entry})
        self.entries[name] = entry
        self._new += 1

    def write(self) -> None:
        """Write the whole file; no sample is new then.

        Raises:
            UserError: it can't be written; the files are as they were.
        """
        with whole_file(self._file) as part, part.open("w", encoding="utf-8") as file:
            file.writelines(_pieces(self.entries))
        self._new = 0
        with writing(self._new_file):
            self._new_file.unlink(missing_ok=True)

    def write_new(self) -> None:
        """Write the whole file where samples are new.

        Raises:
            UserError: as of :meth:`write`.
        """
        if self._new:
            self.write()

    def read(self) -> None:
        """Read both files.

        Raises:
            UserError: they can't be read, or something else has written them.
        """
        try:
            self.entries = _entries(read_json_object(self._file, _LARGEST))
            for entry in self._read_new():
                name = entry.pop("file_name")
                if (self._images / name).is_file():  # it may have been deleted since
                    self.entries[name] = _sized(entry)
                self._new += 1
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self._file} is not a collection of this package ({error!r}); name another "
                "folder, and label this one where it is"
            ) from error

    def _read_new(self) -> Iterator[Entry]:
        """Yield the lines of new samples, without one that was not written to its end."""
        if not self._new_file.exists():
            return
        data = read_bytes(self._new_file, _LARGEST)
        whole = data.rfind(b"\n") + 1
        if whole < len(data):  # the power went; what is written next needs a line of its own
            with contextlib.suppress(OSError):
                os.truncate(self._new_file, whole)
        for line in data[:whole].splitlines():
            yield parse_json(line)


def _entries(document: Mapping[str, Any]) -> dict[str, Entry]:
    if document["info"]["contributor"] != _INFO["contributor"]:
        raise ValueError("it was written by something else")
    kinds = {each["id"]: each["name"] for each in document["categories"]}
    names = {each["id"]: each["file_name"] for each in document["images"]}
    entries = {
        each["file_name"]: _sized(
            {k: v for k, v in each.items() if k not in ("id", "file_name")} | {"objects": []}
        )
        for each in document["images"]
    }
    for each in document["annotations"]:
        entries[names[each["image_id"]]]["objects"].append(
            {"label": kinds[each["category_id"]], "bbox": each["bbox"], "score": each["score"]}
        )
    return entries


def _sized(entry: Entry) -> Entry:
    return {**entry, "bytes": int(entry["bytes"]), "stored_s": float(entry["stored_s"])}


def _pieces(entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the file in COCO format, in pieces so small that other threads need not wait."""
    labels = sorted({
        label for entry in entries.values()
        for label in (*entry.get("labels", ()), *(each["label"] for each in entry["objects"]))
    })  # fmt: skip
    kinds = {label: number for number, label in enumerate(labels, start=1)}
    yield f'{{"info": {json_text(_INFO)}, "images": ['
    for number, (name, entry) in enumerate(entries.items(), start=1):
        kept = {key: value for key, value in entry.items() if key != "objects"}
        yield ", " * (number > 1)
        yield json_text(finite({"id": number, "file_name": name, **kept}))
    yield '], "annotations": ['
    id_ = 0
    for number, entry in enumerate(entries.values(), start=1):
        for each in entry["objects"]:
            id_ += 1
            yield ", " * (id_ > 1)
            yield json_text(finite({
                "id": id_, "image_id": number, "category_id": kinds[each["label"]],
                "bbox": each["bbox"], "area": round(each["bbox"][2] * each["bbox"][3], 2),
                "iscrowd": 0, "score": each["score"],
            }))  # fmt: skip
    categories = [{"id": number, "name": label} for label, number in kinds.items()]
    yield f'], "categories": {json_text(categories)}}}\n'
