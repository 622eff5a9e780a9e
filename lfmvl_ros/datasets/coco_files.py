# SPDX-License-Identifier: Apache-2.0
"""Where a folder in COCO format keeps its annotations and images, and whether those are whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from lfmvl_ros.core.encoded_images import damage
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
_PARTS = ("images", "annotations", "categories")
_ORIENTATION = 0x0112  # EXIF
_SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height
_SAME_SHAPE = 0.02
_MANY = 300  # images whose check deserves a progress bar


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file as it was read.

    Attributes:
        path: of the JSON file.
        split: ``train``, ``val``, ``test``, or "" where neither its name nor its folder says.
        content: the JSON object; ``images``, ``annotations`` and ``categories`` are lists.
    """

    path: Path
    split: str
    content: dict[str, Any]


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
        if contents := read(directory):
            return [
                AnnotationFile(directory / split / "-", split_of(Path(split, "-")), content)
                for split, content in contents.items()
            ]
    return []


def _read(path: Path, directory: Path, strange: list[str]) -> AnnotationFile | None:
    """The file, or None and a reason in ``strange``."""
    try:
        content = read_json_document(path, MAX_DATA_BYTES)
    except UserError as error:
        strange.append(str(error))
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(p), list) for p in _PARTS):
        strange.append(f"{path.name} (needs lists {', '.join(_PARTS)})")
        return None
    return AnnotationFile(path, split_of(path.relative_to(directory)), content)


@dataclass(frozen=True)
class CheckedImage:
    """An image that can be decoded to its end.

    Attributes:
        wh_px: its size as it is to be shown.
        orientation: how it is to be turned, as EXIF says it; 1 for not at all.
        other: the same image not turned, or turned, where EXIF turns it by its side.
    """

    wh_px: tuple[int, int]
    orientation: int
    other: CheckedImage | None = None


def check_image(path: Path, stated_wh_px: tuple[int, int] | None) -> CheckedImage | str:
    """Decode an image once; what is wrong with it in words, where something is.

    Args:
        path: of the image.
        stated_wh_px: size according to the annotations. It tells whether they are about the
            image as it is stored or as its EXIF data says to turn it; another size of the same
            proportions is fine.
    """
    try:
        with Image.open(path) as image:  # its header only
            stored = image.size
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:
        # Whatever a decoder raises on damaged bytes: this image can't be used.
        return f"can't be decoded ({' '.join(str(error).split())[:80] or type(error).__name__})"
    orientation = orientation if orientation in range(1, 9) else 1
    if problem := damage(path.read_bytes()):
        return problem
    turned = (stored[1], stored[0]) if orientation in _SIDEWAYS else stored
    as_shown, as_stored = CheckedImage(turned, orientation), CheckedImage(stored, 1)
    for one, other in ((as_shown, as_stored), (as_stored, as_shown)):
        if stated_wh_px is None or same_shape(one.wh_px, stated_wh_px):
            return replace(one, other=other if turned != stored else None)
    assert stated_wh_px is not None
    return f"is {turned[0]}x{turned[1]}, the annotations say {stated_wh_px[0]}x{stated_wh_px[1]}"


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, but for rounding."""
    across, down = one[0] * other[1], one[1] * other[0]
    return abs(across - down) <= _SAME_SHAPE * max(across, down)


def check_images(
    pictures: Sequence[tuple[Path, tuple[int, int] | None]],
) -> list[CheckedImage | str]:
    """:func:`check_image` for many, with a progress bar where it takes a while."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda item: check_image(*item), pictures)
        quiet = len(pictures) < _MANY
        bar = tqdm(results, total=len(pictures), desc="images", unit="image", disable=quiet)
        return list(bar)
