# SPDX-License-Identifier: Apache-2.0
"""Training scenes from a folder of images with boxes: decoded when needed, cropped at random."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from lfmvl_ros.datasets.coco import CocoFolder, CocoPicture
from lfmvl_ros.datasets.coco_images import CocoImages
from lfmvl_ros.datasets.questions import LabelledImage
from lfmvl_warehouse.training.data.patch_grid import Grid, grid_for
from lfmvl_warehouse.training.data.sources import View

_WHOLE_SHARE = 0.4  # of the images learnt from; the others are cropped
_TARGET_SHARE = 0.8  # of the crops, which are made around one of the boxes
_SMALLEST_CROP = 0.25  # of the largest possible area
_MOST_VIEWS = 10


def random_window(
    rng: np.random.Generator, wh_px: tuple[int, int], proportions: float, xyxy: np.ndarray
) -> tuple[int, int, int, int]:
    """A window of an image, most often one with an object in it.

    Args:
        rng: decides size and place: a quarter to all of the area there is.
        wh_px: size of the image.
        proportions: width by height of the window, but for rounding.
        xyxy: (N, 4) the image's boxes, normalised.

    Returns:
        Left, top, right and bottom edge in pixels.
    """
    scale = np.sqrt(rng.uniform(_SMALLEST_CROP, 1.0))
    height = min(wh_px[1], wh_px[0] / proportions) * scale
    sides = np.array([height * proportions, height]).round().astype(int)
    sides = np.clip(sides, 1, wh_px)
    first, last = np.zeros(2), np.array(wh_px) - sides
    if len(xyxy) and rng.random() < _TARGET_SHARE:
        box = xyxy[int(rng.integers(len(xyxy)))]
        middle = (box[:2] + box[2:]) / 2 * wh_px
        first, last = np.clip(middle - sides, 0, last), np.clip(middle, 0, last)
    left, top = rng.uniform(first, last).round().astype(int)
    return int(left), int(top), int(left + sides[0]), int(top + sides[1])


def boxes_in(window: np.ndarray, xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as a crop shows them.

    Args:
        window: (4,) the crop, normalised to the image.
        xyxy: (N, 4) boxes, normalised to the image, none of them empty.

    Returns:
        xyxy (N, 4) normalised to the crop and clipped to it; share (N,) of each box's area that
        is inside.
    """
    size = window[2:] - window[:2]
    inside = np.clip((xyxy - np.tile(window[:2], 2)) / np.tile(size, 2), 0.0, 1.0)
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    left = np.prod((inside[:, 2:] - inside[:, :2]) * size, axis=1)
    return inside, np.clip(left / area, 0.0, 1.0)


class CocoScenes(CocoImages):
    """Images of a folder in COCO format as a source of training scenes.

    Args:
        folder: what :func:`lfmvl_ros.datasets.coco_reading.read_folder` returns.
        judged: give the held-out images, whole, instead of those to learn from.
    """

    def __init__(self, folder: CocoFolder, *, judged: bool = False) -> None:
        super().__init__(folder)
        self._judged = judged
        self._images = folder.held_out if judged else folder.training

    def held_out(self) -> CocoScenes:
        """The images that are kept for judging."""
        return CocoScenes(self.folder, judged=True)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The commonest image sizes, one for each grid; all of them where it is about judging."""
        sizes: dict[Grid, Counter[tuple[int, int]]] = {}
        for image in self._images:
            sizes.setdefault(grid_for(image.wh_px), Counter())[image.wh_px] += 1
        most = sorted(sizes.items(), key=lambda item: -item[1].total())
        most = most if self._judged else most[:_MOST_VIEWS]
        return tuple(
            View(counts.most_common(1)[0][0], grid, counts.total()) for grid, counts in most
        )

    @cached_property
    def _by_grid(self) -> dict[Grid, list[CocoPicture]]:
        members: dict[Grid, list[CocoPicture]] = {}
        for image in self._images:
            members.setdefault(grid_for(image.wh_px), []).append(image)
        return members

    def draw(
        self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int
    ) -> LabelledImage:
        """An image that the processor gives the same grid as this size, or a crop of any image.

        Pixels come in the size they have. ``max_objects`` changes nothing: images are as they
        are, and questions limit their answers themselves.
        """
        del max_objects
        alike = self._by_grid.get(grid_for(wh_px), [])
        if alike and (self._judged or rng.random() < _WHOLE_SHARE):
            return self.whole(alike[int(rng.integers(len(alike)))])
        image = self._images[int(rng.integers(len(self._images)))]
        pixels = self._store.pixels(image)
        height, width = pixels.shape[:2]
        window = random_window(rng, (width, height), wh_px[0] / wh_px[1], image.xyxy)
        left, top, right, bottom = window
        normalised = np.array(window) / [width, height, width, height]
        return self.labelled(
            image, pixels[top:bottom, left:right], *boxes_in(normalised, image.xyxy)
        )
