# SPDX-License-Identifier: Apache-2.0
"""Folders in Pascal VOC format: an XML file for each image (host.robots.ox.ac.uk/pascal/VOC)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lfmvl_ros.core.encoded_images import IMAGE_SUFFIXES
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import check_regular, read_text
from lfmvl_ros.datasets.formats import Builder, inside

_PLACES = ("Annotations", "annotations", ".", "train", "valid", "val", "test")


def read_voc(directory: Path) -> dict[str, dict[str, Any]]:
    """Return COCO's content by split; empty where this is no such folder.

    Raises:
        UserError: an XML file is damaged.
    """
    builders: dict[str, Builder] = {}
    splits = _splits(directory)
    for place in _PLACES:
        for path in sorted((directory / place).glob("*.xml")):
            root = _root(path)
            if root is not None:
                split = splits.get(path.stem, "" if place in _PLACES[:3] else place)
                _add(builders.setdefault(split, Builder()), root, path, directory)
        if builders and place in _PLACES[:3]:
            break
    return {split: builder.content for split, builder in builders.items()}


def _root(path: Path) -> ElementTree.Element | None:
    check_regular(path)
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as XML ({error}); write it again") from error
    is_one = root.tag == "annotation" and root.find("filename") is not None
    return root if is_one else None


def _add(builder: Builder, root: ElementTree.Element, path: Path, directory: Path) -> None:
    name = _file_of(root.findtext("filename", ""), path, directory)
    sizes = [_number(root.findtext(f"size/{side}")) for side in ("width", "height")]
    wh_px = (int(sizes[0]), int(sizes[1])) if min(sizes) >= 1 else None
    builder.image(name, wh_px)
    for item in root.iter("object"):
        x1, y1, x2, y2 = (
            _number(item.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        box = [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]  # pixels are counted from 1
        builder.box(name, item.findtext("name", ""), box)


def _file_of(file_name: str, path: Path, directory: Path) -> str:
    """The image beside the XML file or in ``JPEGImages``, else the name as it is written."""
    stem = Path(file_name.replace("\\", "/")).name or path.stem
    for place in (path.parent, directory / "JPEGImages", directory / "images", directory):
        tries = [place / stem, *(place / f"{path.stem}{suffix}" for suffix in IMAGE_SUFFIXES)]
        found = next((image for image in tries if image.is_file()), None)
        if found is not None:
            return inside(found, directory)
    return file_name


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _splits(directory: Path) -> dict[str, str]:
    """Split of each image by its stem, where ``ImageSets/Main`` tells."""
    splits = {}
    for split in ("train", "val", "test"):
        path = directory / "ImageSets" / "Main" / f"{split}.txt"
        if path.is_file():
            for line in read_text(path, replace=True).splitlines():
                if line.strip():
                    splits[line.split()[0]] = split
    return splits
