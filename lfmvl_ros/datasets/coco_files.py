# SPDX-License-Identifier: Apache-2.0
"""Where a folder in COCO format keeps its annotations and pictures, and whether those are whole."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from tqdm import tqdm

from lfmvl_ros.core.encoded_images import damage
from lfmvl_ros.core.errors import UserError

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
_MANY = 300  # pictures whose check deserves a progress bar


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

    Raises:
        UserError: there are none, or none in COCO format; says where it looked.
    """
    if not directory.is_dir():
        raise UserError(f"there is no folder {directory}; give one with pictures and annotations")
    seen: dict[str, None] = {}
    for layout in LAYOUTS:
        strange: list[str] = []
        read = [_read(path, directory, strange) for path in sorted(directory.glob(layout))]
        files = [file for file in read if file is not None]
        if files:
            return files, strange
        seen |= dict.fromkeys(strange)
    tried = ", ".join(LAYOUTS)
    found = f"; not in COCO format: {'; '.join(list(seen)[:3])}" if seen else ""
    raise UserError(
        f"{directory} has no annotations in COCO format (tried {tried}{found}); give the folder "
        "that holds a JSON file with images, annotations and categories"
    )


def _read(path: Path, directory: Path, strange: list[str]) -> AnnotationFile | None:
    """The file, or None and a reason in ``strange``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        strange.append(f"{path.name} ({error})")
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(p), list) for p in _PARTS):
        strange.append(f"{path.name} (needs lists {', '.join(_PARTS)})")
        return None
    return AnnotationFile(path, split_of(path.relative_to(directory)), content)


class PictureFinder:
    """Finds the pictures that an annotation file speaks of."""

    def __init__(self, directory: Path, file: AnnotationFile) -> None:
        stem = re.sub(r"^(instances|annotations)_", "", file.path.stem)
        places = [file.path.parent, directory, directory / "images"]
        places += [directory / "images" / stem, directory / stem, file.path.parent / "images"]
        if file.split:
            places += [directory / "images" / file.split, directory / file.split]
        self.places = [place for place in dict.fromkeys(places) if place.is_dir()]

    def find(self, file_name: str) -> Path | None:
        """The file of this name, which may have folders in it, or None.

        Where the name's own folders are not there, the bare name is looked for: some tools write
        the path that the picture had while it was labelled.
        """
        name = PurePosixPath(file_name.replace("\\", "/"))
        for tail in dict.fromkeys((str(name).lstrip("/"), name.name)):
            for place in self.places:
                path = place / tail
                if tail and path.is_file():
                    return path
        return None


@dataclass(frozen=True)
class CheckedPicture:
    """A picture that can be decoded to its end.

    Attributes:
        wh_px: its size as it is to be shown.
        orientation: how it is to be turned, as EXIF says it; 1 for not at all.
    """

    wh_px: tuple[int, int]
    orientation: int


def check_picture(path: Path, stated_wh_px: tuple[int, int] | None) -> CheckedPicture | str:
    """Decode a picture once; what is wrong with it in words, where something is.

    Args:
        path: of the picture.
        stated_wh_px: size according to the annotations. It tells whether they are about the
            picture as it is stored or as its EXIF data says to turn it; another size of the same
            proportions is fine.
    """
    try:
        with Image.open(path) as image:  # its header only
            stored = image.size
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:
        # Whatever a decoder raises on damaged bytes: this picture can't be used.
        return f"can't be decoded ({' '.join(str(error).split())[:80] or type(error).__name__})"
    orientation = orientation if orientation in range(1, 9) else 1
    if problem := damage(path.read_bytes()):
        return problem
    turned = (stored[1], stored[0]) if orientation in _SIDEWAYS else stored
    for wh_px, turn in ((turned, orientation), (stored, 1)):
        if stated_wh_px is None or _same_shape(wh_px, stated_wh_px):
            return CheckedPicture(wh_px, turn)
    assert stated_wh_px is not None
    return f"is {turned[0]}x{turned[1]}, the annotations say {stated_wh_px[0]}x{stated_wh_px[1]}"


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    across, down = one[0] * other[1], one[1] * other[0]
    return abs(across - down) <= _SAME_SHAPE * max(across, down)


def check_pictures(
    pictures: Sequence[tuple[Path, tuple[int, int] | None]],
) -> list[CheckedPicture | str]:
    """:func:`check_picture` for many, with a progress bar where it takes a while."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda item: check_picture(*item), pictures)
        quiet = len(pictures) < _MANY
        bar = tqdm(results, total=len(pictures), desc="pictures", unit="picture", disable=quiet)
        return list(bar)
