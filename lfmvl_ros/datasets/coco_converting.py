# SPDX-License-Identifier: Apache-2.0
"""A listed image and its file's size -> the image as training and evaluation use it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from lfmvl_ros.datasets.annotated_box import EMPTY, TWICE
from lfmvl_ros.datasets.coco import CocoImage, boxes_from_xywh
from lfmvl_ros.datasets.coco_listed import ListedImage
from lfmvl_ros.datasets.expressions import usable_expressions
from lfmvl_ros.datasets.image_sizes import RESIZED, CheckedImage, overhang_px, turned_to_fit
from lfmvl_ros.datasets.left_out import LeftOut

OUTSIDE = "boxes outside their image"
CLIPPED = "boxes clipped to their image"
_ROUNDING_PX = 1.0  # over the edge by less does not count as clipped


def converted(
    path: Path,
    listed: ListedImage,
    check: CheckedImage,
    left_out: LeftOut,
    changed: LeftOut,
    expressions_left_out: Counter[str],
) -> CocoImage:
    """Return an image with its boxes in its own terms.

    Args:
        path: of the file.
        listed: as the annotation files list it.
        check: how it is to be shown.
        left_out: takes what can't be used.
        changed: takes what is used otherwise than it is written.
        expressions_left_out: takes the expressions that can't be used.
    """
    xywh_px = np.array(listed.xywh_px, float).reshape(-1, 4)
    check, note = turned_to_fit(check, xywh_px)
    changed.add(note, listed.name, int(bool(note)))
    changed.add(RESIZED, _sizes(listed.name, check), int(check.is_resized and bool(len(xywh_px))))
    xyxy, empty, outside = boxes_from_xywh(xywh_px, check.about_px)
    first = _first_rows(listed)
    twice = ~(empty | outside) & (np.array(first) != np.arange(len(first)))
    for reason, which in ((EMPTY, empty), (OUTSIDE, outside), (TWICE, twice)):
        left_out.add(reason, listed.name, int(which.sum()))
    kept = ~(empty | outside | twice)
    cut = kept & (overhang_px(xywh_px, check.about_px) > _ROUNDING_PX)
    changed.add(CLIPPED, listed.name, int(cut.sum()))
    checked = None
    if listed.checked is not None:
        checked = tuple(sorted((listed.checked | set(listed.kinds)) - listed.unfinished))
    crowd_px = np.array(listed.crowd_xywh_px, float).reshape(-1, 4)
    areas, *unusable = boxes_from_xywh(crowd_px, check.about_px)
    usable = ~(unusable[0] | unusable[1])
    texts = [(first[row], text) for row, text in listed.expressions]
    expressions, refused = usable_expressions(texts, kept.tolist())
    expressions_left_out.update(refused)
    return CocoImage(
        *(path, listed.name, check.wh_px, check.orientation),
        np.array(listed.kinds, np.int64)[kept],
        xyxy[kept],
        checked,
        np.array(listed.crowd_kinds, np.int64)[usable],
        areas[usable],
        expressions,
        np.array(listed.hidden, float)[kept],
    )


def _first_rows(listed: ListedImage) -> list[int]:
    """Return for each box the first that is the same, of the same label: two files may list it."""
    seen: dict[tuple[int, tuple[float, ...]], int] = {}
    boxes = zip(listed.kinds, listed.xywh_px, strict=True)
    return [seen.setdefault((kind, tuple(xywh)), row) for row, (kind, xywh) in enumerate(boxes)]


def _sizes(name: str, check: CheckedImage) -> str:
    (width, height), (stated_w, stated_h) = check.wh_px, check.about_px
    return f"{name} ({width}x{height}, stated {stated_w}x{stated_h})"
