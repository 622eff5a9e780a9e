# SPDX-License-Identifier: Apache-2.0
"""What a folder of images holds, as training needs it: names, images, boxes, what is left out.

:mod:`lfmvl_ros.datasets.coco_reading` makes one from a folder in COCO format.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import neutralise
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.datasets.left_out import reason_lines
from lfmvl_ros.datasets.questions import MIN_AREA

_RENAMED = {"pictures": "images", "held_out_pictures": "held_out_images"}


@dataclass(frozen=True)
class CocoImage:
    """One image and its boxes.

    Attributes:
        path: of the file.
        name: its path inside the folder.
        wh_px: its size as it is to be shown.
        orientation: how it is to be turned, as EXIF says it; 1 for not at all.
        kinds: (N,) int64 index of each box's category.
        xyxy: (N, 4) float64 boxes, normalised to [0, 1].
        checked: indices of the categories that were looked for in it; None for all. Nothing is
            known about the others, so they are not asked for.
        crowd_kinds, crowd_xyxy: likewise ``(K,)`` and ``(K, 4)``, of areas with uncounted objects
            (``iscrowd``). A training leaves them out; an evaluation counts no box on them.
        expressions: row of a box, and a referring expression that is about it and no other box.
        hidden: (N,) hidden share of each box's object, 0 to 1, NaN where nothing is known.
    """

    path: Path
    name: str
    wh_px: tuple[int, int]
    orientation: int
    kinds: NDArray[Any]
    xyxy: NDArray[Any]
    checked: tuple[int, ...] | None = None
    crowd_kinds: NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int64))
    crowd_xyxy: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 4)))
    expressions: tuple[tuple[int, str], ...] = ()
    hidden: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class CocoFolder:
    """What a folder holds.

    Attributes:
        directory: the folder.
        names: for each category the names a question may use, the plain one first.
        training, held_out: images to learn from and to judge by; neither is empty, but for an
            evaluation of one image, which is held out.
        left_out: how many of what could not be used, by reason.
        changed: how many of what is used otherwise than it is written, by what was changed.
        examples: the first of each reason and each change that has one.
        expressions_left_out: how many referring expressions could not be used, by reason.
        crowd_names: as ``names``, of categories that have nothing but crowds in the whole folder.
            They are not categories; their indices in ``crowd_kinds`` follow those of ``names``.
    """

    directory: Path
    names: tuple[tuple[str, ...], ...]
    training: tuple[CocoImage, ...]
    held_out: tuple[CocoImage, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    expressions_left_out: Mapping[str, int] = field(default_factory=dict)
    crowd_names: tuple[tuple[str, ...], ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """The plain names."""
        return tuple(names[0] for names in self.names)

    def fingerprint(self) -> str:
        """Return a hash that is the same for the same images, boxes and names, in any folder."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for part in (self.training, self.held_out):
            for picture in part:
                boxes = np.round(picture.xyxy, 6).tolist()
                what = [picture.name, picture.wh_px, picture.kinds.tolist(), boxes]
                digest.update(json.dumps(what).encode())
            digest.update(b"|")
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
        """Return what model card and state say of the data: name of the folder and counts."""
        images = (*self.training, *self.held_out)
        counts = Counter(int(kind) for image in images for kind in image.kinds)
        small = sum(int((_areas(image.xyxy) < MIN_AREA).sum()) for image in images)
        return {
            "name": self.directory.resolve().name,
            "fingerprint": self.fingerprint(),
            "images": len(images),
            "held_out_images": len(self.held_out),
            "boxes": sum(counts.values()),
            "boxes_by_category": {name: counts[i] for i, name in enumerate(self.categories)},
            "boxes_too_small": small,
            "left_out": dict(self.left_out),
            "changed": dict(self.changed),
        }

    def describe(self, *, split: bool = True) -> str:
        """A few lines for the person who starts a training, or without its split an evaluation."""
        facts = self.facts()
        each = ", ".join(f"{name} {n}" for name, n in facts["boxes_by_category"].items())
        parts = f" ({len(self.training)} to learn from, {len(self.held_out)} to judge by)"
        lines = [
            f"{facts['name']}: {facts['images']} image{'s' * (facts['images'] != 1)}"
            f"{parts if split else ''}, {facts['boxes']} box{'es' * (facts['boxes'] != 1)}: {each}"
        ]
        if facts["boxes_too_small"]:
            lines.append(
                f"  {facts['boxes_too_small']} boxes cover less than {MIN_AREA:.1%} of their "
                "image: asked for only where a crop enlarges them"
            )
        lines += reason_lines("  left out", self.left_out, self.examples)
        lines += reason_lines("  changed", self.changed, self.examples)
        lines += reason_lines("  left out", self.expressions_left_out, {})
        return "\n".join(lines)


def _areas(xyxy: NDArray[Any]) -> NDArray[Any]:
    areas: NDArray[Any] = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    return areas


def boxes_from_xywh(
    xywh_px: NDArray[Any], wh_px: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """COCO's boxes in an image's own terms.

    Args:
        xywh_px: (N, 4) left, top, width, height in pixels.
        wh_px: size of the image they are about.

    Returns:
        xyxy (N, 4) normalised and clipped to [0, 1]; empty (N,) bool: not a number, or less than a
        pixel wide or high; outside (N,) bool: not in the image by a pixel. Where one of the two
        holds, the box is zeros.

    >>> boxes_from_xywh(np.array([[160.0, 120, 320, 480]]), (640, 480))[0]
    array([[0.25, 0.25, 0.75, 1.  ]])
    """
    xywh: NDArray[Any] = np.asarray(xywh_px, float).reshape(-1, 4)
    size = np.array(wh_px * 2, float)
    empty = ~np.isfinite(xywh).all(1) | ~(xywh[:, 2:] >= 1).all(1)
    xywh = np.where(empty[:, None], 0.0, xywh)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    clipped = np.clip(corners, 0, size)
    outside = ~empty & ~(clipped[:, 2:] - clipped[:, :2] >= 1).all(1)
    clipped[empty | outside] = 0.0
    return clipped / size, empty, outside


def names_of(category: str) -> tuple[str, ...]:
    """Names that a question may use for a category: as words, as written, in small letters.

    >>> names_of("Traffic_Cone")
    ('Traffic Cone', 'Traffic_Cone', 'traffic cone')

    Raises:
        UserError: nothing of it can be asked for.
    """
    try:
        written = " ".join(Query.parse(neutralise(category)).labels)
    except UserError as error:
        raise UserError(f"the category {quoted(category)} can't be asked for: {error}") from error
    words = " ".join(written.replace("_", " ").split()) or written
    return tuple(dict.fromkeys((words, written, words.lower())))


def facts_with_present_keys(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return :meth:`CocoFolder.facts` with its present keys, as any version has stored it.

    >>> facts_with_present_keys({"name": "bins", "pictures": 12, "held_out_pictures": 1})
    {'name': 'bins', 'images': 12, 'held_out_images': 1}
    """
    return {_RENAMED.get(key, key): value for key, value in stored.items()}
