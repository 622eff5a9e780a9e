# SPDX-License-Identifier: Apache-2.0
"""Training scenes from a folder of images with boxes: decoded when needed, cropped at random."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from lfmvl_ros.datasets.augment import boxes_in, random_window
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.coco_images import CocoImages
from lfmvl_ros.datasets.questions import LabelledImage
from lfmvl_warehouse.training.data.patch_grid import Grid, grid_for
from lfmvl_warehouse.training.data.sources import SceneView

_WHOLE_SHARE = 0.4  # of the images learnt from; the others are cropped
_MOST_VIEWS = 10


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
    def views(self) -> tuple[SceneView, ...]:
        """The commonest image sizes, one for each grid; all of them where it is about judging."""
        sizes: dict[Grid, Counter[tuple[int, int]]] = {}
        for image in self._images:
            sizes.setdefault(grid_for(image.wh_px), Counter())[image.wh_px] += 1
        most = sorted(sizes.items(), key=lambda item: -item[1].total())
        most = most if self._judged else most[:_MOST_VIEWS]
        return tuple(
            SceneView(counts.most_common(1)[0][0], grid, counts.total()) for grid, counts in most
        )

    @cached_property
    def _by_grid(self) -> dict[Grid, list[CocoImage]]:
        members: dict[Grid, list[CocoImage]] = {}
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
