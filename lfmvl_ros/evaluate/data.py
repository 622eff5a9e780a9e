# SPDX-License-Identifier: Apache-2.0
"""Labelled images to evaluate on: which ones, how much of each object is hidden, their pixels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.encoded_images import decode_file
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.coco import CocoFolder, CocoImage
from lfmvl_ros.datasets.coco_images import turned
from lfmvl_ros.datasets.coco_reading import CROWDS, read_folder

SPLITS = ("auto", "all", "held-out")


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Labelled images of a folder.

    Attributes:
        folder: that they belong to; left out are only those crowds that can't be used.
        split: ``all`` or ``held-out``.
        images: those that are asked about, in the order of their names.
        hidden: for each image the hidden share of each of its objects, ``(N,)`` 0 to 1, NaN where
            nothing is annotated.
    """

    folder: CocoFolder
    split: str
    images: tuple[CocoImage, ...]
    hidden: tuple[FloatArray, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What is asked for: the plain name of each category."""
        return self.folder.categories

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Names of each kind: the labels, then those with nothing but crowds, which are not labels.

        The latter are not asked for unless a query names them, and are in no figure of a label, nor
        in AP; but their crowds count as those of labels do.
        """
        return (*self.folder.names, *self.folder.crowd_names)

    def fingerprint(self) -> str:
        """Return the same text for the same images and boxes, wherever the folder lies."""
        names = "\n".join(image.name for image in self.images)
        text = f"{self.folder.fingerprint()}|{names}"
        crowds = [[image.name, image.crowd_kinds.tolist(), np.round(image.crowd_xyxy, 6).tolist()]
                  for image in self.images if len(image.crowd_kinds)]  # fmt: skip
        text += f"|{json.dumps(crowds)}" if crowds else ""
        spoken = [[image.name, image.expressions] for image in self.images if image.expressions]
        text += f"|{json.dumps(spoken)}" if spoken else ""
        return hashlib.sha256(text.encode()).hexdigest()

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Return an image in full size, RGB ``(H, W, 3)`` uint8, turned as EXIF says.

        Raises:
            UserError: the file is no longer what it was when the folder was read.
        """
        image = self.images[index]
        stored = decode_file(image.path, turn=False) if image.path.is_file() else None
        if stored is None:
            raise UserError(f"{image.path} can't be read any more; put it back and start again")
        shown = turned(stored, image.orientation)
        if (shown.shape[1], shown.shape[0]) != image.wh_px:
            raise UserError(f"{image.path} has changed meanwhile; start again")
        return np.ascontiguousarray(shown)

    def facts(self) -> dict[str, Any]:
        """Return the scorecard's facts about the data."""
        kinds = np.concatenate([image.kinds for image in self.images])
        counts = np.bincount(kinds, minlength=len(self.labels)).tolist()
        return {
            "name": self.folder.directory.resolve().name,
            "fingerprint": self.fingerprint(),
            "split": self.split,
            "images": len(self.images),
            "boxes": len(kinds),
            "boxes_by_label": dict(zip(self.labels, counts, strict=True)),
            "crowds": sum(len(image.crowd_kinds) for image in self.images),
            "expressions": sum(len(image.expressions) for image in self.images),
            "left_out": {**self.folder.left_out, **self.folder.expressions_left_out},
            "changed": dict(self.folder.changed),
        }


def evaluation_set(
    directory: Path, *, split: str = "auto", learnt: frozenset[str] = frozenset(), most: int = 0
) -> EvaluationSet:
    """Read a labelled folder for an evaluation.

    Args:
        directory: in a format that training reads.
        split: ``all``, ``held-out`` (the ``val`` split, else a tenth of the images), or ``auto``:
            all, unless one of the models was trained on this very folder.
        learnt: fingerprints of the folders that the models were trained on.
        most: images at most, chosen evenly over the folder; 0 for all.

    Raises:
        UserError: the folder can't be read.
    """
    folder = _with_crowds(read_folder(directory, least=1))
    if split == "auto":
        split = "held-out" if folder.fingerprint() in learnt else "all"
    chosen = folder.held_out if split == "held-out" else (*folder.training, *folder.held_out)
    images = sorted(chosen, key=lambda image: image.name)
    if 0 < most < len(images):
        images = [images[i * len(images) // most] for i in range(most)]
    hidden = tuple(image.hidden for image in images)
    return EvaluationSet(folder, split, tuple(images), hidden)


def _with_crowds(folder: CocoFolder) -> CocoFolder:
    """Return the folder without what only a training leaves out."""
    used = sum(len(image.crowd_kinds) for image in (*folder.training, *folder.held_out))
    left_out = {reason: count - used if reason == CROWDS else count
                for reason, count in folder.left_out.items()}  # fmt: skip
    return replace(folder, left_out={reason: n for reason, n in left_out.items() if n})
