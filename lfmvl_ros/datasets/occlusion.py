# SPDX-License-Identifier: Apache-2.0
"""How much of each annotated object is hidden, where a labelling tool has written that down.

COCO's format has no field for it. Read are, at an annotation or in its ``attributes`` (as CVAT
exports them): ``visibility`` (visible share, 0 to 1), ``occlusion`` (hidden share, 0 to 1, or
KITTI's levels 0 to 3) and ``occluded`` (yes or no).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lfmvl_ros.core.numbers import is_number

# KITTI: partly, largely, and unknown, which is counted as such.
_LEVELS = {1: 0.25, 2: 0.5, 3: 0.75}
_YES_MEANS = 0.5


def hidden_share(annotation: Mapping[str, Any]) -> float:
    """Return which share of an annotated object is hidden, 0 to 1; NaN where nothing is said.

    >>> hidden_share({"attributes": {"occluded": True}}), hidden_share({"visibility": 0.75})
    (0.5, 0.25)
    """
    attributes = annotation.get("attributes")
    words = {**(attributes if isinstance(attributes, dict) else {}), **annotation}
    if (visible := _number(words.get("visibility"))) is not None and 0 <= visible <= 1:
        return 1 - visible
    if (hidden := _number(words.get("occlusion"))) is not None:
        return hidden if 0 <= hidden <= 1 and hidden != 1 else _LEVELS.get(int(hidden), math.nan)
    occluded = words.get("occluded")
    if isinstance(occluded, (bool, int)):
        return _YES_MEANS if occluded else 0.0
    return math.nan


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None
