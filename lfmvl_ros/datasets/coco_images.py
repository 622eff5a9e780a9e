# SPDX-License-Identifier: Apache-2.0
"""Images of a folder in COCO format with their boxes: decoded when needed, turned as EXIF says."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.questions import MIN_VISIBILITY, LabelledImage, Target, Vocabulary

NO_COLOUR = -1
"""``Target.colour`` where nothing is known about it."""

ENOUGH_LEFT = 0.6
"""A box that a crop leaves less of is not asked for: where the visible part of its object ends is
not known any more."""

_LONGEST_PX = 768  # images are kept no larger: the largest grid has 416 px, a crop half of it
_CACHE_BYTES = 256 * 2**20
_SIDES = re.compile(r"\b(left|right|links|rechts|linke[rs]?|rechte[rs]?|gauche|droite?)\b")


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An image (H, W, C) as EXIF's orientation, 1 to 8, says it is to be shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


class RecentImages:
    """Decoded images by the path of their file: the most recently used, as fit into some bytes."""

    def __init__(self, decode: Callable[[CocoImage], NDArray[Any]], most_bytes: int) -> None:
        self._decode, self._most = decode, most_bytes
        self._kept: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def pixels(self, picture: CocoImage) -> NDArray[Any]:
        """What ``decode`` returns, and may have returned before."""
        key = str(picture.path)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = self._decode(picture)
        self._kept[key] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > self._most and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels


class ImageStore:
    """Images no larger than training needs, the most recently used of them kept."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._recent = RecentImages(_decode, most_bytes)

    def pixels(self, picture: CocoImage) -> NDArray[Any]:
        """uint8 (H, W, 3) RGB, the longer side at most 768.

        Raises:
            UserError: the file is no longer what it was when the training began.
        """
        return self._recent.pixels(picture)


def _decode(picture: CocoImage) -> NDArray[Any]:
    stored = _stored(picture.path)
    if stored is None:
        raise UserError(
            f"{picture.path} can't be read any more; put it back, or remove it from the "
            "annotations and start a new training"
        )
    shown = turned(stored, picture.orientation)
    height, width = shown.shape[:2]
    if (width, height) != picture.wh_px:
        raise UserError(
            f"{picture.path} is {width}x{height} now and was {picture.wh_px[0]}x"
            f"{picture.wh_px[1]} when the training began; start a new one"
        )
    scale = _LONGEST_PX / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shown = cv2.resize(np.ascontiguousarray(shown), size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(shown)


def _stored(path: Path) -> NDArray[Any] | None:
    """The image as its file has it; None where it is gone or damaged."""
    try:
        return decode_file(path, turn=False)
    except (OSError, UserError):
        return None


class CocoImages:
    """The images of a folder, whole, with their boxes.

    Args:
        folder: what :func:`lfmvl_ros.datasets.coco_reading.read_folder` returns.
    """

    def __init__(self, folder: CocoFolder) -> None:
        self.folder = folder
        self.vocabulary = Vocabulary(folder.categories, (), folder.names)
        self._store = ImageStore()
        self._may_mirror = not any(_SIDES.search(name.lower()) for name in folder.categories)

    def whole(self, picture: CocoImage) -> LabelledImage:
        """An image as it is, with all of its boxes."""
        pixels = self._store.pixels(picture)
        return self.labelled(picture, pixels, picture.xyxy, np.ones(len(picture.xyxy)))

    def words(self, scene: LabelledImage) -> Vocabulary:
        """What may be asked about an image of this source; kinds of its targets index into it."""
        return scene.words or self.vocabulary

    def labelled(
        self, image: CocoImage, pixels: NDArray[Any], xyxy: NDArray[Any], share: NDArray[Any]
    ) -> LabelledImage:
        """Return a part of an image with its boxes.

        Args:
            image: that it belongs to.
            pixels: uint8 (H, W, 3) RGB of the part.
            xyxy: (N, 4) all boxes of the image, normalised to the part and clipped to it.
            share: (N,) of each box's area that is inside; 0 leaves the box out.
        """
        targets = tuple(
            Target(
                names=self.folder.names[kind],
                kind=int(kind),
                colour=NO_COLOUR,
                xyxy=box,
                visibility=float(left) if left >= ENOUGH_LEFT else min(left, MIN_VISIBILITY / 2),
            )
            for kind, box, left in zip(image.kinds, xyxy, share, strict=True)
            if left > 0
        )
        if image.checked is None:
            return LabelledImage(pixels, targets, may_mirror=self._may_mirror)
        names = tuple(self.folder.names[kind] for kind in image.checked)
        words = Vocabulary(tuple(each[0] for each in names), (), names)
        place = {kind: index for index, kind in enumerate(image.checked)}
        targets = tuple(
            replace(target, kind=place[target.kind]) for target in targets if target.kind in place
        )
        return LabelledImage(pixels, targets, may_mirror=self._may_mirror, words=words)
