# SPDX-License-Identifier: Apache-2.0
"""Answers as labelled images: a folder in COCO format, for evaluation and training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lfmvl_ros.core.encoded_images import encoded_wh
from lfmvl_ros.core.review import ReviewAnswer, ReviewItem, ReviewVerdict
from lfmvl_ros.core.review.documents import Box
from lfmvl_ros.core.whole_files import make_folder, write_json, write_whole


def write_labels(folder: Path, answered: Iterable[tuple[ReviewItem, ReviewAnswer]]) -> int:
    """Write the crops that an answer says something about, and their boxes.

    ``yes`` and ``box`` give a box of the item's label, ``wrong_label`` one of the label that was
    given, ``no`` an image without a box. What was not told (a wrong label without the right one, an
    event about an absence) is left out. Crops that are there already are not written again.

    Args:
        folder: ``images/<id>.jpg`` and ``annotations/instances.json`` are written into it.
        answered: items and answers.

    Returns:
        How many images it has.

    Raises:
        UserError: it can't be written.
    """
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    kinds: dict[str, int] = {}
    for item, answer in answered:
        labelled = _label_of(item, answer)
        wh = encoded_wh(item.jpeg)
        if labelled is None or wh is None:
            continue
        label, bbox = labelled
        kind = kinds.setdefault(label, len(kinds) + 1)
        path = folder / "images" / f"{item.id}.jpg"
        if not path.exists():
            write_whole(path, item.jpeg)
        number = len(images) + 1
        images.append({"id": number, "file_name": path.name, "width": wh[0], "height": wh[1]})
        if bbox is not None and (xywh := _in_crop(bbox, item.crop, wh)) is not None:
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": number,
                    "category_id": kind,
                    "bbox": xywh,
                    "area": round(xywh[2] * xywh[3], 2),
                    "iscrowd": 0,
                }
            )
    make_folder(folder)
    categories = [{"id": number, "name": name} for name, number in kinds.items()]
    write_json(
        folder / "annotations" / "instances.json",
        {"images": images, "annotations": boxes, "categories": categories},
    )
    return len(images)


def _label_of(item: ReviewItem, answer: ReviewAnswer) -> tuple[str, Box | None] | None:
    """Return label and box. The box is None if there is no such object; all is None if unknown."""
    if not item.label or item.bbox is None:
        return None
    if answer.verdict is ReviewVerdict.NO:
        return item.label, None
    if answer.verdict is ReviewVerdict.WRONG_LABEL:
        return (answer.label, item.bbox) if answer.label else None
    return item.label, answer.bbox or item.bbox


def _in_crop(bbox: Box, crop: Box, wh: tuple[int, int]) -> list[float] | None:
    """Return left, top, width, height in pixels of the crop; None where less than one is in it."""
    sides = []
    for axis in (0, 1):
        scale = wh[axis] / (crop[axis + 2] - crop[axis])
        low, high = ((bbox[i] - crop[axis]) * scale for i in (axis, axis + 2))
        low, high = min(max(low, 0.0), wh[axis]), min(max(high, 0.0), wh[axis])
        if high - low < 1:
            return None
        sides.append((low, high - low))
    return [round(sides[0][0], 2), round(sides[1][0], 2), round(sides[0][1], 2),
            round(sides[1][1], 2)]  # fmt: skip
