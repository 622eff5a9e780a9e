# SPDX-License-Identifier: Apache-2.0
"""Folders of LabelMe: a JSON file with shapes for each image (github.com/wkentaro/labelme)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_json_document
from lfmvl_ros.datasets.formats import Builder, inside
from lfmvl_ros.datasets.masks import box_of_points


def read_labelme(directory: Path) -> dict[str, dict[str, Any]]:
    """Return COCO's content by the folder that files lie in; empty where there is none."""
    builders: dict[str, Builder] = {}
    for path in sorted(directory.rglob("*.json")):
        document = _document(path)
        if document is not None:
            split = inside(path.parent, directory)
            _add(builders.setdefault(split, Builder()), document, path, directory)
    return {split: builder.content for split, builder in builders.items()}


def _document(path: Path) -> dict[str, Any] | None:
    try:
        document = read_json_document(path)
    except UserError:
        return None
    is_one = isinstance(document, dict) and isinstance(document.get("shapes"), list)
    return document if is_one and "imagePath" in document else None


def _add(builder: Builder, document: dict[str, Any], path: Path, directory: Path) -> None:
    written = str(document["imagePath"]).replace("\\", "/")
    beside = path.parent / Path(written).name
    name = inside(beside, directory) if beside.is_file() else written
    try:
        wh_px = (int(document["imageWidth"]), int(document["imageHeight"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        wh_px = (0, 0)
    builder.image(name, wh_px if min(wh_px) > 0 else None)
    for shape in document["shapes"]:
        if isinstance(shape, dict):
            builder.box(name, str(shape.get("label", "")), _box(shape))


def _box(shape: dict[str, Any]) -> list[float] | None:
    """Left, top, width, height in pixels; None for a point, or what is no shape."""
    points = shape.get("points")
    try:
        if shape.get("shape_type") == "circle":
            (x, y), (edge_x, edge_y) = ((float(px), float(py)) for px, py in points or [])
            radius = math.hypot(edge_x - x, edge_y - y)
            return [x - radius, y - radius, 2 * radius, 2 * radius]
        return box_of_points(points)
    except (TypeError, ValueError):
        return None
