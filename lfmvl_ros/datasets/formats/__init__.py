# SPDX-License-Identifier: Apache-2.0
"""Other formats of labelled folders, read as if they were COCO: YOLO, Pascal VOC, LabelMe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted


class Builder:
    """Collects images and boxes in COCO's shape; ids are file names and names of categories.

    Attributes:
        content: the lists of COCO.
        left_out: a reason and an example of each thing that can't be put into them.
    """

    def __init__(self) -> None:
        self.content: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
        self.left_out: list[tuple[str, str]] = []
        self._known: set[str] = set()
        self._described: dict[str, Path] = {}

    def image(self, file_name: str, stated: Sequence[object] | None, described: Path) -> None:
        """Add an image.

        Args:
            file_name: its path inside the folder.
            stated: width and height that its boxes are about, as they are written; None: not
                stated.
            described: the file that has its boxes.

        Raises:
            UserError: another file has boxes of the same image: one of them is of another image.
        """
        before = self._described.setdefault(file_name, described)
        if before != described:
            raise UserError(
                f"{before} and {described} are both about the image {quoted(file_name)}; correct "
                "the name of the image in one of them"
            )
        entry: dict[str, Any] = {"id": file_name, "file_name": file_name}
        if stated is not None:
            entry |= {"width": stated[0], "height": stated[1]}
        self.content["images"].append(entry)

    def leave_out(self, reason: str, example: str) -> None:
        """Note something that can't be put into COCO's lists."""
        self.left_out.append((reason, example))

    def box(self, file_name: str, category: str, xywh_px: Sequence[float]) -> None:
        """Add a box, left, top, width and height in pixels, of a category by its name."""
        if category not in self._known:
            self._known.add(category)
            self.content["categories"].append({"id": f"c {category}", "name": category})
        self.content["annotations"].append(
            {"image_id": file_name, "category_id": f"c {category}", "bbox": list(xywh_px)}
        )


def inside(path: Path, directory: Path) -> str:
    """The path inside the folder, with slashes."""
    return path.relative_to(directory).as_posix()
