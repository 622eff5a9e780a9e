# SPDX-License-Identifier: Apache-2.0
"""Labelled images of one's own as questions for a calibration, read as training reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.coco_images import CocoImages
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.datasets.questions import MIN_AREA, Asked, any_question
from lfmvl_ros.models.checkpoint_labels import trained_on

LEAST_TO_FIT, LEAST_TO_MEASURE = 50, 20  # labelled objects
_SEED = 6_600  # of the questions


@dataclass(frozen=True)
class ImageSet:
    """Images of a folder; each is asked about once.

    Attributes:
        name: what they are for.
        folder: that they belong to.
        images: the images.
    """

    name: str
    folder: CocoFolder
    images: tuple[CocoImage, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def objects(self) -> int:
        """Labelled objects that are large enough to be expected."""
        areas = (np.prod(image.xyxy[:, 2:] - image.xyxy[:, :2], axis=1) for image in self.images)
        return sum(int((area >= MIN_AREA).sum()) for area in areas)

    def questions(self) -> Iterator[Asked]:
        """Yield a question about each image; images are decoded on the way."""
        source = CocoImages(self.folder)
        for index, image in enumerate(self.images):
            scene, rng = source.whole(image), np.random.default_rng([_SEED, index])
            yield Asked(scene, any_question(rng, scene.targets, source.words(scene)))


def image_sets(directory: Path, model: str) -> tuple[ImageSet, ImageSet]:
    """Return the images to fit on and those to measure with, which are held out.

    Held out is the ``val`` split of the folder, or else a tenth of its images. A checkpoint that
    was trained on this very folder has learnt all others, where its confidence flatters: then the
    held-out images alone are used, half of them for each purpose.

    Args:
        directory: in COCO format.
        model: what is calibrated, as the setting ``model`` names it.

    Raises:
        UserError: the folder can't be read, or has too few objects.
    """
    folder = read_folder(directory)
    fit, measured = folder.training, folder.held_out
    learnt = trained_on(model) == folder.fingerprint()
    if learnt:
        fit, measured = folder.held_out[::2], folder.held_out[1::2]
    sets = ImageSet("fit", folder, fit), ImageSet("held out", folder, measured)
    if sets[0].objects < LEAST_TO_FIT or sets[1].objects < LEAST_TO_MEASURE:
        why = ", which this checkpoint was not trained on" if learnt else ""
        raise UserError(
            f"{directory} has {sets[0].objects} objects to fit on and {sets[1].objects} held out "
            f"to measure with{why}; a calibration takes at least {LEAST_TO_FIT} and "
            f"{LEAST_TO_MEASURE}: label more images, or put more of them in its val split"
        )
    return sets
