# SPDX-License-Identifier: Apache-2.0
"""Which images of a folder a training learns from, and which it is judged by."""

from __future__ import annotations

import hashlib

from lfmvl_ros.datasets.coco import CocoImage

HELD_OUT_SHARE = 0.1
"""Share of the images to judge by, where the folder has no split of its own for that."""

_MOST_HELD_OUT = 2000


def split_images(
    pictures: list[tuple[CocoImage, str]],
) -> tuple[list[CocoImage], list[CocoImage]]:
    """Return what to learn from and what to judge by, both in the order of their names.

    Args:
        pictures: two or more, each with the name of its split.
    """
    held_out = {picture.name for picture, split in pictures if split == "val"}
    if not held_out or len(held_out) == len(pictures):
        count = min(max(1, round(HELD_OUT_SHARE * len(pictures))), _MOST_HELD_OUT)
        held_out = set(sorted((picture.name for picture, _ in pictures), key=_shuffled)[:count])
    training = [picture for picture, _ in pictures if picture.name not in held_out]
    return training, [picture for picture, _ in pictures if picture.name in held_out]


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
