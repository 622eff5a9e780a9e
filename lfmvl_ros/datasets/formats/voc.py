# SPDX-License-Identifier: Apache-2.0
"""Folders in Pascal VOC format: an XML file for each image (host.robots.ox.ac.uk/pascal/VOC)."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from lfmvl_ros.core.encoded_images import IMAGE_SUFFIXES
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import check_regular, read_text
from lfmvl_ros.datasets.annotated_box import MALFORMED
from lfmvl_ros.datasets.formats import Builder, inside

_PLACES = ("Annotations", "annotations", ".", "train", "valid", "val", "test")


_NO_LABELS = "XML files that are no annotation of Pascal VOC"


def read_voc(directory: Path) -> dict[str, Builder]:
    """Return what is read by split; empty where this is not such a folder.

    Raises:
        UserError: an XML file is damaged, or two of them are about one image.
    """
    builders: dict[str, Builder] = {}
    strange: list[tuple[str, str]] = []
    splits = _splits(directory)
    for place in _PLACES:
        for path in sorted((directory / place).glob("*.xml")):
            root = _root(path)
            if root.tag != "annotation":
                strange.append((_NO_LABELS, f"{path.name} (it is <{root.tag[:40]}>)"))
                continue
            split = splits.get(path.stem, "" if place in _PLACES[:3] else place)
            _add(builders.setdefault(split, Builder()), root, path, directory)
        if builders and place in _PLACES[:3]:
            break
    if builders:
        builders.setdefault("", Builder()).left_out += strange
    return builders


def _root(path: Path) -> ElementTree.Element:
    check_regular(path)
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError) as error:
        why = f"{error}" if path.stat().st_size else "it is empty"
        raise UserError(f"{path} can't be read as XML ({why}); write it again") from error


def _add(builder: Builder, root: ElementTree.Element, path: Path, directory: Path) -> None:
    name = _file_of(root.findtext("filename", ""), path, directory)
    sides = [root.findtext(f"size/{side}") for side in ("width", "height")]
    builder.image(name, sides, path)
    for item in root.iter("object"):
        edges = [item.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
        xywh_px = _box(edges)
        if xywh_px is None:
            builder.leave_out(MALFORMED, f"{name} ({path.name})")
        else:
            builder.box(name, item.findtext("name", ""), xywh_px)


def _box(edges: list[str | None]) -> list[float] | None:
    """Left, top, width, height; None for what is not a box."""
    try:
        x1, y1, x2, y2 = (float(edge or "none") for edge in edges)
    except ValueError:
        return None
    return [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]  # pixels are counted from 1


def _file_of(file_name: str, path: Path, directory: Path) -> str:
    """The image beside the XML file or in ``JPEGImages``, else the name as it is written."""
    stem = Path(file_name.replace("\\", "/")).name or path.stem
    for place in (path.parent, directory / "JPEGImages", directory / "images", directory):
        tries = [place / stem, *(place / f"{path.stem}{suffix}" for suffix in IMAGE_SUFFIXES)]
        found = next((image for image in tries if image.is_file()), None)
        if found is not None:
            return inside(found, directory)
    return file_name or path.stem


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
