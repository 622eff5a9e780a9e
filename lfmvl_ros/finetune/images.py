# SPDX-License-Identifier: Apache-2.0
"""Training images of a folder at their own size: large ones become tiles, as in inference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.augment import SMALLEST_CROP, boxes_in, colour_shift, random_window
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.coco_images import CocoImages, RecentImages, turned
from lfmvl_ros.datasets.questions import LabelledImage

WHOLE_SHARE = 0.7
"""Share of the images that are used whole, as they are in use; the others are cropped."""
_SMALLEST_CROP = 0.5
"""Of the area. Crops enlarge what they show: with smaller ones, and more of them, a model that
knew small objects loses them (docs/experiments/finetune.md)."""

_CACHE_BYTES = 512 * 2**20
_TRIES = 20  # windows looked at for one in which something is absent


class TrainingImages(CocoImages):
    """The images of a folder, whole or as crops of the same proportions.

    Args:
        folder: what :func:`lfmvl_ros.datasets.coco_reading.read_folder` returns.
    """

    def __init__(self, folder: CocoFolder) -> None:
        super().__init__(folder)
        self._recent = RecentImages(_decode, _CACHE_BYTES)

    def pixels(self, image: CocoImage) -> NDArray[Any]:
        """uint8 (H, W, 3) RGB of a whole image, at its own size.

        Raises:
            UserError: the file is no longer what it was when the run began.
        """
        return self._recent.pixels(image)

    def whole(self, image: CocoImage) -> LabelledImage:
        """An image as it is, with all of its boxes."""
        shares = np.ones(len(image.xyxy))
        return self.labelled(image, self.pixels(image), image.xyxy, shares)

    def varied(
        self, rng: np.random.Generator, image: CocoImage, *, lacking: bool = False
    ) -> LabelledImage:
        """An image as training shows it: cropped and mirrored at random, with another exposure.

        Args:
            rng: decides all of it.
            image: that is varied.
            lacking: rather a part of it in which at least one category is absent.
        """
        if lacking and self.absent(self.whole(image)):
            lacking = False
        if not lacking and rng.random() < WHOLE_SHARE:
            scene = self.whole(image)
        else:
            smallest = SMALLEST_CROP if lacking else _SMALLEST_CROP
            scene = self._crop(rng, image, smallest)
            for _ in range(_TRIES if lacking else 0):
                if self.absent(scene):
                    break
                scene = self._crop(rng, image, smallest)
        pixels, targets = scene.pixels, scene.targets
        if scene.may_mirror and rng.random() < 0.5:
            pixels = pixels[:, ::-1]
            targets = tuple(target.mirrored() for target in targets)
        (pixels,) = colour_shift(rng, (pixels,))
        return LabelledImage(pixels, targets, scene.may_mirror, scene.words)

    def absent(self, scene: LabelledImage) -> list[int]:
        """Kinds of its words of which nothing is in an image, not even something small or cut."""
        there = {target.kind for target in scene.targets}
        return [kind for kind in range(len(self.words(scene).kinds)) if kind not in there]

    def _crop(self, rng: np.random.Generator, image: CocoImage, smallest: float) -> LabelledImage:
        pixels = self.pixels(image)
        height, width = pixels.shape[:2]
        window = random_window(rng, (width, height), width / height, image.xyxy, smallest=smallest)
        left, top, right, bottom = window
        normalised = np.array(window) / [width, height, width, height]
        inside, shares = boxes_in(normalised, image.xyxy)
        return self.labelled(image, pixels[top:bottom, left:right], inside, shares)


def _decode(image: CocoImage) -> NDArray[Any]:
    stored = decode_file(image.path, turn=False) if image.path.is_file() else None
    shown = None if stored is None else turned(stored, image.orientation)
    if shown is None or (shown.shape[1], shown.shape[0]) != image.wh_px:
        raise UserError(
            f"{image.path} is not what it was when the run began; put the image back, or start "
            "a new run with another --out"
        )
    return np.ascontiguousarray(shown)
