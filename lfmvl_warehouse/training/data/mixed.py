# SPDX-License-Identifier: Apache-2.0
"""Own images with a share of warehouse scenes, so that a model keeps what it knew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lfmvl_ros.datasets.questions import LabelledImage, Vocabulary
from lfmvl_warehouse.training.data.coco_scenes import CocoScenes
from lfmvl_warehouse.training.data.sources import SceneView, WarehouseScenes

_LONGEST_PX = 400  # of a warehouse scene beside images, which may have millions of pixels


def united(first: Vocabulary, second: Vocabulary) -> Vocabulary:
    """The kinds of both; a kind of the second whose plain name the first knows is the same kind."""
    names = [list(group) for group in first.names]
    kinds = list(first.kinds)
    for kind, group in zip(second.kinds, second.names, strict=True):
        place = next((i for i, known in enumerate(first.names) if kind in known), None)
        if place is None:
            kinds.append(kind)
            names.append(list(group))
        else:
            names[place] += [name for name in group if name not in names[place]]
    colours = tuple(dict.fromkeys((*first.colours, *second.colours)))
    return Vocabulary(tuple(kinds), colours, tuple(map(tuple, names)))


class MixedScenes:
    """Scenes of two sources, each asked about in its own words.

    What the boxes of images are called says nothing about colours, nor about things that nobody
    was told to mark.

    Args:
        images: what the training is for; it alone is judged.
        warehouse: what is not to be forgotten.
        share: of the warehouse, 0 to 1.
    """

    def __init__(self, images: CocoScenes, warehouse: WarehouseScenes, share: float) -> None:
        self._images, self._warehouse, self._share = images, warehouse, share
        self.vocabulary = united(images.vocabulary, warehouse.vocabulary)

    @property
    def views(self) -> tuple[SceneView, ...]:
        """Those of the images."""
        return self._images.views

    def held_out(self) -> CocoScenes:
        """The images that are kept for judging."""
        return self._images.held_out()

    def draw(
        self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int
    ) -> LabelledImage:
        """A scene of either source."""
        if rng.random() >= self._share:
            scene = self._images.draw(rng, wh_px, max_objects)
            return replace(scene, words=scene.words or self._images.vocabulary)
        scale = min(1.0, _LONGEST_PX / max(wh_px))
        small = (max(32, round(wh_px[0] * scale)), max(32, round(wh_px[1] * scale)))
        scene = self._warehouse.draw(rng, small, max_objects)
        return replace(scene, words=self._warehouse.vocabulary)
