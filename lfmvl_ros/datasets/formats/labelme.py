# SPDX-License-Identifier: Apache-2.0
"""Folders of LabelMe: a JSON file with shapes for each image (github.com/wkentaro/labelme)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_json_document
from lfmvl_ros.datasets.coco_ids import category_name
from lfmvl_ros.datasets.formats import Builder, inside
from lfmvl_ros.datasets.masks import box_of_points

_NO_LABELS = "JSON files that are no labels of LabelMe"


def read_labelme(directory: Path) -> dict[str, Builder]:
    """Return what is read by the folder that files lie in; empty if there are no such files.

    Raises:
        UserError: two files are about one image.
    """
    builders: dict[str, Builder] = {}
    strange: list[tuple[str, str]] = []
    for path in sorted(directory.rglob("*.json")):
        try:
            document = read_json_document(path, once=True)
        except UserError as error:
            strange.append((_NO_LABELS, str(error)))
            continue
        if not _is_one(document):
            strange.append((_NO_LABELS, f"{path} (it needs imagePath and a list shapes)"))
            continue
        split = inside(path.parent, directory)
        _add(builders.setdefault(split, Builder()), document, path, directory)
    if builders:
        builders.setdefault("", Builder()).left_out += strange
    return builders


def _is_one(document: object) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("shapes"), list)
        and isinstance(document.get("imagePath"), str)
    )


def _add(builder: Builder, document: dict[str, Any], path: Path, directory: Path) -> None:
    written = document["imagePath"].replace("\\", "/")
    beside = path.parent / Path(written).name
    name = inside(beside, directory) if beside.is_file() else written
    builder.image(name, (document.get("imageWidth"), document.get("imageHeight")), path)
    for shape in document["shapes"]:
        xywh_px = _box(shape) if isinstance(shape, dict) else None
        if xywh_px is None:
            builder.leave_out("shapes that give no box (points, or unreadable)", name)
        else:
            builder.box(name, category_name(shape.get("label")), xywh_px)


def _box(shape: dict[str, Any]) -> list[float] | None:
    """Left, top, width, height in pixels; None for a point, or points that can't be read."""
    points = shape.get("points")
    try:
        if shape.get("shape_type") == "circle":
            (x, y), (edge_x, edge_y) = ((float(px), float(py)) for px, py in points or [])
            radius = math.hypot(edge_x - x, edge_y - y)
            return [x - radius, y - radius, 2 * radius, 2 * radius]
        return box_of_points(points)
    except (TypeError, ValueError):
        return None
