# SPDX-License-Identifier: Apache-2.0
"""Where a folder in COCO format keeps its annotations, and which of its files those are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import MAX_DATA_BYTES, exists, read_json_document
from lfmvl_ros.datasets.formats.labelme import read_labelme
from lfmvl_ros.datasets.formats.refused import refused_format
from lfmvl_ros.datasets.formats.voc import read_voc
from lfmvl_ros.datasets.formats.yolo import read_yolo

# The first line that finds annotations is taken: COCO's own layout, then a single file, then one
# folder for each split as Roboflow exports them. COCO's captions and key points come last.
LAYOUTS = (
    "annotations/instances*.json",
    "annotations/*.json",
    "_annotations.coco.json",
    "annotations.json",
    "*.json",
    "*/_annotations.coco.json",
    "*/annotations.json",
)
PARTS = ("images", "annotations", "categories")
"""The lists that an annotation file holds."""


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file as it was read.

    Attributes:
        path: of the JSON file.
        split: ``train``, ``val``, ``test``, or "" where neither its name nor its folder says.
        content: the JSON object; ``images``, ``annotations`` and ``categories`` are lists.
        left_out: a reason and an example of each thing that the reader of another format could
            not put into it.
    """

    path: Path
    split: str
    content: dict[str, Any]
    left_out: tuple[tuple[str, str], ...] = ()


def split_of(path: Path) -> str:
    """Which part of the data an annotation file says it is.

    Args:
        path: of the file inside the data folder, whose own name says nothing about this.

    >>> split_of(Path("annotations/instances_val2017.json"))
    'val'
    >>> split_of(Path("train/_annotations.coco.json"))
    'train'
    """
    for name in (path.stem, path.parent.name):
        match = re.search(r"(?<![a-z])(train|val|test)(ing|id|idation)?(?![a-z])", name.lower())
        if match:
            return match[1]
    return ""


def annotation_files(directory: Path) -> tuple[list[AnnotationFile], list[str]]:
    """Read all annotation files of a folder; also the names of files that hold something else.

    Folders in YOLO, Pascal VOC and LabelMe format are read as if they were COCO.

    Raises:
        UserError: there are none, or none in a format that is read; says where it looked.
    """
    if not directory.is_dir():
        if exists(directory):
            raise UserError(
                f"{directory} is a file; give the folder that holds the images and annotations"
            )
        raise UserError(f"there is no folder {directory}; give one with images and annotations")
    seen: dict[str, None] = {}
    for layout in LAYOUTS:
        strange: list[str] = []
        read = [_read(path, directory, strange) for path in sorted(directory.glob(layout))]
        files = [file for file in read if file is not None]
        if files:
            return files, strange
        seen |= dict.fromkeys(strange)
    if others := _other_formats(directory):
        return others, []
    tried = ", ".join(LAYOUTS)
    found = f"; not in COCO format: {'; '.join(list(seen)[:3])}" if seen else ""
    raise UserError(
        f"{directory} has no annotations in COCO, LVIS, YOLO, Pascal VOC or LabelMe format (tried "
        f"{tried}{found}){refused_format(directory)}; give the folder that holds a JSON file with "
        "images, annotations and categories"
    )


def _other_formats(directory: Path) -> list[AnnotationFile]:
    """What a folder of another format says, in COCO's words; empty where it is none."""
    for read in (read_yolo, read_voc, read_labelme):
        if builders := read(directory):
            return [
                AnnotationFile(directory / split / "-", split_of(Path(split, "-")),
                               built.content, tuple(built.left_out))
                for split, built in builders.items()
            ]  # fmt: skip
    return []


def _read(path: Path, directory: Path, strange: list[str]) -> AnnotationFile | None:
    """The file, or None and a reason in ``strange``."""
    try:
        content = read_json_document(path, MAX_DATA_BYTES, once=True)
    except UserError as error:
        strange.append(str(error))
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(p), list) for p in PARTS):
        strange.append(f"{path.name} (needs lists {', '.join(PARTS)})")
        return None
    return AnnotationFile(path, split_of(path.relative_to(directory)), content)
