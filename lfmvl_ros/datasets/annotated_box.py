# SPDX-License-Identifier: Apache-2.0
"""The box of an annotation in COCO's shape, or what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.datasets.masks import box_of_mask, size_of_mask

OF_MASKS = "boxes taken from masks"
NONE = "annotations without bbox or segmentation"
MALFORMED = "malformed boxes (not 4 numbers)"
NOT_FINITE = "boxes with NaN or infinity"
NEGATIVE = "boxes of negative width or height"
EMPTY = "empty boxes"
BAD_MASK = "masks that give no box"
TWICE = "boxes listed twice"


@dataclass(frozen=True)
class AnnotatedBox:
    """A box as an annotation has it.

    Attributes:
        xywh_px: left, top, width, height; finite, width and height above 0 unless there is a
            problem.
        problem: why it can't be used, as a reason to count; "" where it can.
        of_mask: whether it is that of the annotation's mask.
        mask_wh: the size that the mask states for its image; None where it states none.
    """

    xywh_px: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    problem: str = ""
    of_mask: bool = False
    mask_wh: tuple[int, int] | None = None


def annotated_box(annotation: Mapping[str, Any]) -> AnnotatedBox:
    """Return ``bbox``, or the box of ``segmentation`` where there is no usable ``bbox``.

    >>> annotated_box({"bbox": [1, "2", 3.5, 4]}).xywh_px
    (1.0, 2.0, 3.5, 4.0)
    >>> annotated_box({"bbox": "1234"}).problem
    'malformed boxes (not 4 numbers)'
    >>> annotated_box({"bbox": [], "segmentation": [[10, 20, 30, 20, 30, 50]]}).of_mask
    True
    """
    bbox, mask = annotation.get("bbox"), annotation.get("segmentation")
    numbers = four_numbers(bbox)
    if numbers is not None and not (problem := _problem(numbers)):
        return AnnotatedBox(numbers)
    if mask:
        of_mask = box_of_mask(mask)
        if of_mask is not None and min(of_mask[2:]) > 0:
            x, y, width, height = of_mask
            return AnnotatedBox((x, y, width, height), "", True, size_of_mask(mask))
    if numbers is not None:
        return AnnotatedBox(problem=problem)
    is_there = bbox is not None and bbox != []
    return AnnotatedBox(problem=MALFORMED if is_there else BAD_MASK if mask else NONE)


def four_numbers(bbox: object) -> tuple[float, float, float, float] | None:
    """Return a box as numbers, which may be written as text; None if it is not a box."""
    if not isinstance(bbox, (list, tuple)) or any(isinstance(each, bool) for each in bbox):
        return None
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError):
        return None
    return x, y, width, height


def _problem(xywh: tuple[float, float, float, float]) -> str:
    if not all(map(math.isfinite, xywh)):
        return NOT_FINITE
    if min(xywh[2:]) < 0:
        return NEGATIVE
    return EMPTY if min(xywh[2:]) == 0 else ""
