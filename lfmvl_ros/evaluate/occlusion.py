# SPDX-License-Identifier: Apache-2.0
"""How much of each annotated object is hidden, where a labelling tool has written that down.

COCO's format has no field for it. Read are, at an annotation or in its ``attributes`` (as CVAT
exports them): ``visibility`` (visible share, 0 to 1), ``occlusion`` (hidden share, 0 to 1, or
KITTI's levels 0 to 3) and ``occluded`` (yes or no).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.datasets.coco import boxes_from_xywh
from lfmvl_ros.datasets.coco_files import annotation_files
from lfmvl_ros.datasets.coco_listed import file_name_of, objects_of
from lfmvl_ros.datasets.image_finder import ImageFinder, listed_names
from lfmvl_ros.datasets.spelling import id_key

_SAME_BOX = 1e-4  # of the image: boxes are compared after one conversion, the same for both
_LEVELS = {
    1: 0.25,
    2: 0.5,
    3: 0.75,
}  # KITTI: partly, largely, and unknown, which is counted as such
_YES_MEANS = 0.5


@dataclass(frozen=True, eq=False)
class Hidden:
    """Boxes of an image for which it is annotated: ``(N, 4)`` normalised, ``(N,)`` 0 to 1."""

    xyxy: FloatArray
    share: FloatArray

    def of(self, xyxy: FloatArray) -> FloatArray:
        """Return the hidden share of boxes ``(M, 4)``; NaN for those that nothing is known of."""
        if not len(self.share) or not len(xyxy):
            return np.full(len(xyxy), np.nan)
        far = np.abs(xyxy[:, None] - self.xyxy[None]).max(axis=2)
        nearest = far.argmin(axis=1)
        return np.where(far.min(axis=1) < _SAME_BOX, self.share[nearest], np.nan)


def hidden_share(annotation: Mapping[str, Any]) -> float:
    """Return which share of an annotated object is hidden, 0 to 1; NaN where nothing is said.

    >>> hidden_share({"attributes": {"occluded": True}}), hidden_share({"visibility": 0.75})
    (0.5, 0.25)
    """
    attributes = annotation.get("attributes")
    words = {**(attributes if isinstance(attributes, dict) else {}), **annotation}
    if (visible := _number(words.get("visibility"))) is not None and 0 <= visible <= 1:
        return 1 - visible
    if (hidden := _number(words.get("occlusion"))) is not None:
        return hidden if 0 <= hidden <= 1 and hidden != 1 else _LEVELS.get(int(hidden), math.nan)
    occluded = words.get("occluded")
    if isinstance(occluded, (bool, int)):
        return _YES_MEANS if occluded else 0.0
    return math.nan


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of several hundred digits
        return None
    return number if math.isfinite(number) else None


def occlusions(directory: Path) -> dict[str, Hidden]:
    """Return what is annotated, by the name of the image inside the folder.

    Images without any such field are left out; what the files hold beyond that is not judged here.
    """
    rows: dict[str, tuple[list[list[float]], list[float], tuple[int, int]]] = {}
    files, _ = annotation_files(directory)
    names = [file_name_of(item) for file in files for item in objects_of(file.content["images"])]
    listed = listed_names(names)
    for file in files:
        shares = [
            (box, share)
            for box in file.content["annotations"]
            if isinstance(box, dict) and math.isfinite(share := hidden_share(box))
        ]
        if not shares:
            continue
        finder = ImageFinder(directory, file.path, file.split, listed)
        images = {id_key(item.get("id")): item for item in objects_of(file.content["images"])}
        found: dict[str, tuple[str, tuple[int, int]] | None] = {}
        for box, share in shares:
            number = id_key(box.get("image_id"))
            if number not in found:
                found[number] = _image(images.get(number, {}), finder, directory)
            image = found[number]
            try:
                xywh = [float(value) for value in box["bbox"]]
            except (KeyError, TypeError, ValueError, OverflowError):
                continue  # such a box is left out of the folder, too, and counted there
            if image is None or len(xywh) != 4:
                continue
            name, wh = image
            known = rows.setdefault(name, ([], [], wh))
            known[0].append(xywh)
            known[1].append(share)
    return {
        name: Hidden(boxes_from_xywh(np.array(xywh), wh)[0], np.array(share))
        for name, (xywh, share, wh) in rows.items()
    }


def _image(
    image: Mapping[str, Any], finder: ImageFinder, directory: Path
) -> tuple[str, tuple[int, int]] | None:
    """Return name and size in pixels of a listed image; None where it can't be used."""
    path = finder.find(file_name_of(dict(image)))
    try:
        wh = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if isinstance(path, str) or min(wh) < 1:
        return None
    return Path(os.path.relpath(path, directory)).as_posix(), wh
