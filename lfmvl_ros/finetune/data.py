# SPDX-License-Identifier: Apache-2.0
"""The folders a run learns from: read as `lfmvl train` reads them, checked, with their shares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.user_files import is_directory, user_path
from lfmvl_ros.datasets.coco import CocoFolder
from lfmvl_ros.datasets.coco_reading import read_folder

LEAST_IMAGES = 20


@dataclass(frozen=True)
class Part:
    """A folder of a run.

    Attributes:
        folder: as it was read.
        weight: how often its images are used, against those of other folders; above 0.
        old: it is there so that the model keeps what it knows; the best weights are chosen by the
            other folders.
    """

    folder: CocoFolder
    weight: float = 1.0
    old: bool = False


@dataclass(frozen=True)
class TrainingData:
    """All folders of a run; at least one is not old.

    Attributes:
        parts: the folders.
        keep_share: share of the images that come from the old ones, where there are some.
    """

    parts: tuple[Part, ...]
    keep_share: float = 0.0

    @property
    def new(self) -> tuple[Part, ...]:
        """The folders that the run is for."""
        return tuple(part for part in self.parts if not part.old)

    @property
    def old(self) -> tuple[Part, ...]:
        """The folders against forgetting."""
        return tuple(part for part in self.parts if part.old)

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the images of each folder; they add up to 1."""
        return tuple(
            part.weight
            / sum(other.weight for other in (self.old if part.old else self.new))
            * (self.keep_share if part.old else 1 - self.keep_share if self.old else 1.0)
            for part in self.parts
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a question may use, each once."""
        return tuple(
            dict.fromkeys(
                name for part in self.parts for group in part.folder.names for name in group
            )
        )

    @property
    def categories(self) -> tuple[str, ...]:
        """Plain names of the folders that the run is for, each once."""
        return tuple(dict.fromkeys(name for part in self.new for name in part.folder.categories))

    def epoch(self) -> int:
        """Images until each training image of the folders that the run is for was used once."""
        return max(
            round(len(part.folder.training) / share)
            for part, share in zip(self.parts, self.shares, strict=True)
            if not part.old
        )

    def facts(self) -> list[dict[str, Any]]:
        """What state and model card say of the folders."""
        return [
            {**part.folder.facts(), "share": round(share, 4), "old": part.old}
            for part, share in zip(self.parts, self.shares, strict=True)
        ]


def read_data(
    folders: Sequence[tuple[Path, float]],
    old: Sequence[tuple[Path, float]] = (),
    *,
    keep_share: float = 0.2,
) -> TrainingData:
    """Read all folders.

    Args:
        folders: paths with weights.
        old: the same, of images against forgetting.
        keep_share: share of the images that come from these.

    Raises:
        UserError: a folder can't be read, there are fewer than 20 images to learn from, or a label
            is spelt in two ways.
    """
    parts = tuple(
        Part(read_folder(path), weight, is_old)
        for is_old, group in ((False, folders), (True, old))
        for path, weight in group
    )
    data = TrainingData(parts, keep_share if old else 0.0)
    images = sum(len(part.folder.training) + len(part.folder.held_out) for part in data.new)
    if images < LEAST_IMAGES:
        where = ", ".join(str(part.folder.directory) for part in data.new)
        raise UserError(
            f"{where} has {images} images that can be used, and fine-tuning takes at least "
            f"{LEAST_IMAGES} (a hundred are better); label more"
        )
    check_spellings([part.folder for part in parts])
    return data


def check_spellings(folders: Sequence[CocoFolder]) -> None:
    """Refuse categories that are one label, spelt in two ways.

    A question may name only one of them, and the objects of the other would be taught as absent.

    Raises:
        UserError: there are some; names both, with their numbers of boxes.
    """
    spelt: dict[str, Counter[str]] = {}
    for folder in folders:
        for name, count in folder.facts()["boxes_by_category"].items():
            spelt.setdefault(fold_label(name), Counter())[name] += count
    for spellings in spelt.values():
        if len({name.casefold() for name in spellings}) > 1:
            each = " and ".join(f"{name!r} ({n} boxes)" for name, n in spellings.most_common())
            raise UserError(
                f"one label is spelt in {len(spellings)} ways: {each}; rename the category so that "
                "all of its boxes have one name"
            )


def parse_folder(text: str) -> tuple[Path, float]:
    """Return folder and weight of an argument ``DIR`` or ``DIR=WEIGHT``.

    >>> parse_folder("my-images=0.5")
    (PosixPath('my-images'), 0.5)

    Raises:
        UserError: the weight is not above 0, or the path can't be used.
    """
    whole = user_path(text, "--data")
    before, equals, weight_text = text.rpartition("=")
    if not (before and equals) or is_directory(whole):
        return whole, 1.0
    folder = user_path(before, "--data")
    try:
        weight = float(weight_text)
    except ValueError:
        if not is_directory(folder):  # a name with "=" in it, which is missing
            return whole, 1.0
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise UserError(f"the weight of {before} must be a number above 0, got {weight_text!r}")
    return folder, weight
