# SPDX-License-Identifier: Apache-2.0
"""Other formats of labelled folders, read as if they were COCO: YOLO, Pascal VOC, LabelMe."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Builder:
    """Collects images and boxes in COCO's shape; ids are file names and names of categories."""

    def __init__(self) -> None:
        self.content: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
        self._known: set[str] = set()

    def image(self, file_name: str, wh_px: tuple[int, int] | None) -> None:
        """Add an image by its path inside the folder, with the size that its boxes are about."""
        entry: dict[str, Any] = {"id": file_name, "file_name": file_name}
        if wh_px is not None:
            entry |= {"width": wh_px[0], "height": wh_px[1]}
        self.content["images"].append(entry)

    def box(self, file_name: str, category: str, xywh_px: list[float] | None, **more: Any) -> None:
        """Add a box, left, top, width, height in pixels; None is counted as an empty one."""
        if category not in self._known:
            self._known.add(category)
            self.content["categories"].append({"id": category, "name": category})
        box = {"image_id": file_name, "category_id": category, "bbox": xywh_px, **more}
        self.content["annotations"].append(box)


def inside(path: Path, directory: Path) -> str:
    """The path inside the folder, with slashes."""
    return path.relative_to(directory).as_posix()
