# SPDX-License-Identifier: Apache-2.0
"""An image and its boxes as annotation files list them, before anything is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.datasets.annotated_box import AnnotatedBox
from lfmvl_ros.datasets.coco_ids import listed_categories
from lfmvl_ros.datasets.image_sizes import Size
from lfmvl_ros.datasets.left_out import LeftOut

SIZE_UNREADABLE = "images whose width or height can't be read: taken from the file"
NOT_LOOKED_FOR, UNFINISHED = "neg_category_ids", "not_exhaustive_category_ids"
"""LVIS: categories that are not in an image; those of which not every object has its box."""


@dataclass
class ListedImage:
    """An image as the annotation files list it.

    Attributes:
        name: its path inside the folder.
        split: that it belongs to; "" for none.
        stated: every size that annotations state for it; None in it: boxes without a stated size.
        kinds, xywh_px, hidden: of each box: index of its category, left, top, width, height, and
            hidden share, NaN where nothing is known.
        crowd_kinds, crowd_xywh_px: likewise, of crowds; NaN for one without a usable box.
        checked: LVIS: categories that were looked for; None for all.
        unfinished: LVIS: categories of which not every object has its box.
        expressions: index of a box, and a referring expression about it.
    """

    name: str
    split: str
    stated: dict[Size | None, None] = field(default_factory=dict)
    kinds: list[int] = field(default_factory=list)
    xywh_px: list[tuple[float, ...]] = field(default_factory=list)
    hidden: list[float] = field(default_factory=list)
    crowd_kinds: list[int] = field(default_factory=list)
    crowd_xywh_px: list[tuple[float, ...]] = field(default_factory=list)
    checked: set[int] | None = None
    unfinished: set[int] = field(default_factory=set)
    expressions: list[tuple[int, str]] = field(default_factory=list)

    def note_mask(self, box: AnnotatedBox) -> None:
        """Note the size that a mask states: another one than the image's moves its box."""
        if box.mask_wh is not None:
            self.stated.setdefault(box.mask_wh)

    def add_crowd(self, kind: int, box: AnnotatedBox) -> None:
        """Add an area with uncounted objects."""
        self.note_mask(box)
        self.crowd_kinds.append(kind)
        self.crowd_xywh_px.append((math.nan,) * 4 if box.problem else box.xywh_px)


def note_checked(
    picture: ListedImage, image: dict[str, Any], kinds: Mapping[str, int | None], left_out: LeftOut
) -> None:
    """Note what LVIS says of an image: most categories were not looked for in it."""

    def numbers(key: str) -> set[int]:
        known = (kinds[number] for number in listed_categories(image, key, kinds, left_out))
        return {kind for kind in known if kind is not None}

    picture.checked = (picture.checked or set()) | numbers(NOT_LOOKED_FOR)
    picture.unfinished |= numbers(UNFINISHED)


def stated_size(image: Mapping[str, Any]) -> tuple[Size | None, bool]:
    """Return the size that is stated for an image, and whether what is stated can be read.

    >>> stated_size({"width": 640, "height": "480"}), stated_size({})
    (((640, 480), True), (None, True))
    >>> stated_size({"width": True, "height": -1})
    (None, False)
    """
    sides = [image.get("width"), image.get("height")]
    if sides == [None, None]:
        return None, True
    try:
        width, height = (_pixels(side) for side in sides)
    except ValueError:
        return None, False
    return (width, height), True


def _pixels(side: object) -> int:
    number = float(side) if isinstance(side, str) else side
    if not is_number(number) or number < 1 or number != int(number):
        raise ValueError
    return int(number)


def file_name_of(image: Mapping[str, Any]) -> str:
    """``file_name``, or the end of LVIS's ``coco_url``."""
    if image.get("file_name"):
        return str(image["file_name"])
    return "/".join(str(image.get("coco_url", "")).split("/")[-2:])
