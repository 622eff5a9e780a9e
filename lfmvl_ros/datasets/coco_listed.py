# SPDX-License-Identifier: Apache-2.0
"""An image and its boxes as annotation files list them, before anything is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.datasets.coco_files import CheckedImage, same_shape
from lfmvl_ros.datasets.masks import box_of_mask
from lfmvl_ros.datasets.spelling import id_key

_OTHER_SHAPE = 0.05  # of the shorter side, over the edge by more was drawn on another shape


@dataclass
class ListedImage:
    """An image as the annotation files list it."""

    name: str
    split: str
    stated_wh_px: tuple[int, int] | None
    kinds: list[int] = field(default_factory=list)
    xywh_px: list[list[float]] = field(default_factory=list)
    crowd_kinds: list[int] = field(default_factory=list)
    crowd_xywh_px: list[list[float]] = field(default_factory=list)
    checked: set[int] | None = None  # LVIS: categories that were looked for
    unfinished: set[int] = field(default_factory=set)  # LVIS: not every object has its box
    expressions: list[tuple[int, str]] = field(default_factory=list)  # about which of the boxes


def note_checked(
    picture: ListedImage, image: dict[str, Any], kinds: Mapping[str, int | None]
) -> None:
    """Note what LVIS says of an image: most categories were not looked for in it."""

    def numbers(key: str) -> set[int]:
        ids = image.get(key)
        known = (kinds.get(id_key(item)) for item in (ids if isinstance(ids, list) else []))
        return {kind for kind in known if kind is not None}

    picture.checked = (picture.checked or set()) | numbers("neg_category_ids")
    picture.unfinished |= numbers("not_exhaustive_category_ids")


def size_of_boxes(listed: ListedImage, check: CheckedImage) -> tuple[int, int]:
    """The size that boxes are about: the stated one, upright like the image is shown."""
    stated = listed.stated_wh_px or check.wh_px
    return stated if same_shape(stated, check.wh_px) else (stated[1], stated[0])


def overhang_px(xywh_px: NDArray[Any], wh_px: tuple[int, int]) -> NDArray[Any]:
    """(N,) how far boxes reach over the edge of an image at most; 0 where one is no number."""
    beyond = np.concatenate(
        [-xywh_px[:, :2], xywh_px[:, :2] + xywh_px[:, 2:] - np.array(wh_px)], axis=1
    )
    return np.asarray(np.nan_to_num(beyond, nan=0.0).max(axis=1, initial=0.0))


def boxes_misfit(xywh_px: NDArray[Any], wh_px: tuple[int, int]) -> bool:
    """Whether a box reaches so far over the edge that it is of an image of another shape."""
    return bool((overhang_px(xywh_px, wh_px) > _OTHER_SHAPE * min(wh_px)).any())


def file_name_of(image: dict[str, Any]) -> str:
    """``file_name``, or the end of LVIS's ``coco_url``."""
    if image.get("file_name"):
        return str(image["file_name"])
    return "/".join(str(image.get("coco_url", "")).split("/")[-2:])


def objects_of(items: list[Any]) -> Iterable[dict[str, Any]]:
    """The JSON objects of a list; what else is in it is passed over."""
    return (item for item in items if isinstance(item, dict))


def four_numbers(bbox: object) -> list[float] | None:
    """A box as numbers; None where it is none."""
    try:
        numbers = [float(value) for value in bbox]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    return numbers if len(numbers) == 4 else None


def box_of(box: dict[str, Any]) -> tuple[list[float] | None, bool]:
    """Return the box of an annotation, None where it has none, and if it is that of its mask."""
    xywh = four_numbers(box.get("bbox"))
    if xywh is not None or not box.get("segmentation"):
        return xywh, False
    xywh = box_of_mask(box["segmentation"])
    return xywh, xywh is not None
