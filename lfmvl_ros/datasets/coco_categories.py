# SPDX-License-Identifier: Apache-2.0
"""Which categories a folder in COCO format has: those with a box; numbers of their own for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.datasets.coco import CocoImage

CategoryNames = tuple[tuple[str, ...], ...]
"""For each category the names that a question may use."""


def _renumbered(picture: CocoImage, number: NDArray[Any], in_use: set[int]) -> CocoImage:
    checked = picture.checked
    if checked is not None:
        checked = tuple(int(number[kind]) for kind in checked if kind in in_use)
    return replace(picture, kinds=number[picture.kinds], checked=checked,
                   crowd_kinds=number[picture.crowd_kinds])  # fmt: skip


def without_unused(
    names: Sequence[tuple[str, ...]], training: Sequence[CocoImage], held_out: Sequence[CocoImage]
) -> tuple[CategoryNames, CategoryNames, tuple[CocoImage, ...], tuple[CocoImage, ...]]:
    """Leave out categories without a box: nothing could be learnt about them but "not there".

    Args:
        names: of all categories.
        training: images.
        held_out: likewise.

    Returns:
        Names of those with a box, of those with nothing but crowds, and both parts.
    """
    pictures = (*training, *held_out)
    used = sorted({int(kind) for picture in pictures for kind in picture.kinds})
    in_use = set(used)
    crowded = sorted({int(k) for picture in pictures for k in picture.crowd_kinds} - in_use)
    number = np.zeros(len(names), np.int64)
    number[[*used, *crowded]] = np.arange(len(used) + len(crowded))
    parts = [
        tuple(_renumbered(picture, number, in_use) for picture in part)
        for part in (training, held_out)
    ]
    of_used, of_crowded = (tuple(names[i] for i in part) for part in (used, crowded))
    return of_used, of_crowded, parts[0], parts[1]
