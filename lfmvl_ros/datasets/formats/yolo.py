# SPDX-License-Identifier: Apache-2.0
"""Folders in YOLO format: ``labels/*.txt`` beside ``images/``, names in ``data.yaml``.

A line is a class number and centre x, centre y, width, height as shares of the image; or the class
and the corners of a polygon (https://docs.ultralytics.com/datasets/detect/ and /segment/). Shares
are of the image as its EXIF data turns it, as Ultralytics reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_folder import is_image_name
from lfmvl_ros.core.user_files import is_below, read_text, read_yaml, without_links
from lfmvl_ros.datasets.formats import Builder, inside
from lfmvl_ros.datasets.masks import box_of_points

_NAME_FILES = ("classes.txt", "obj.names", "labels.txt")


def read_yolo(directory: Path) -> dict[str, dict[str, Any]]:
    """Return COCO's content by split; empty where this is no such folder.

    Raises:
        UserError: there are labels, and no names for their class numbers.
    """
    label_folders = [path for path in sorted(directory.rglob("labels")) if path.is_dir()]
    pairs = [(path.parent / "images", path) for path in label_folders]
    pairs = [pair for pair in pairs if pair[0].is_dir() and any(pair[1].rglob("*.txt"))]
    if not pairs:
        return {}
    names, has_points = _names(directory)
    builders: dict[str, Builder] = {}
    real = without_links(directory)
    for images, labels in pairs:
        for path in sorted(images.rglob("*")):
            if is_image_name(path.name):
                split = inside(path.parent, directory)
                builder = builders.setdefault(split, Builder())
                wh_px = _shown_wh(path, real)
                text = labels / path.relative_to(images).with_suffix(".txt")
                _add(builder, inside(path, directory), wh_px, text, names, has_points)
    return {split: builder.content for split, builder in builders.items()}


def _add(
    builder: Builder,
    name: str,
    wh_px: tuple[int, int] | None,
    text: Path,
    names: dict[int, str],
    points: bool,
) -> None:
    builder.image(name, wh_px)
    if not text.is_file():
        return  # nothing is in it
    for line in read_text(text, replace=True).splitlines():
        if line.strip():
            kind, xywh = _parsed(line, points)
            scaled = (
                None if xywh is None or wh_px is None else (np.array(xywh) * (wh_px * 2)).tolist()
            )
            builder.box(name, names.get(kind, f"class {kind}"), scaled)


def _parsed(line: str, points: bool) -> tuple[int, list[float] | None]:
    """Class and left, top, width, height as shares; None for what is no box."""
    try:
        first, *rest = (float(value) for value in line.split())
        if len(rest) >= 6 and len(rest) % 2 == 0 and not points:
            return int(first), box_of_points(rest)
        x, y, width, height = rest[:4]
        return int(first), [x - width / 2, y - height / 2, width, height]
    except (ValueError, OverflowError):
        return -1, None


def _shown_wh(path: Path, real_directory: Path) -> tuple[int, int] | None:
    if not path.is_file() or not is_below(path, real_directory):
        return None  # it is left out, and counted, when it is looked for
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (height, width) if sideways else (width, height)
    except Exception:  # whatever a decoder raises on damaged bytes; it is counted when it is read
        return None


def _names(directory: Path) -> tuple[dict[int, str], bool]:
    """Names by class number, and whether lines have key points behind their box."""
    for path in sorted((*directory.glob("*.yaml"), *directory.glob("*.yml"))):
        try:
            content = read_yaml(path)
        except UserError:
            continue
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, list):
            names = dict(enumerate(names))
        if isinstance(names, dict) and names:
            numbers = {int(k): str(v) for k, v in names.items() if str(k).strip().isdigit()}
            return numbers, "kpt_shape" in content
    for name in _NAME_FILES:
        for path in (directory / name, directory / "labels" / name):
            if path.is_file():
                lines = read_text(path, replace=True).splitlines()
                return {i: line.strip() for i, line in enumerate(lines) if line.strip()}, False
    raise UserError(
        f"{directory} holds labels in YOLO format, and nothing that names their class numbers; add "
        "data.yaml with `names: [first, second]`, or classes.txt with one name a line"
    )
