# SPDX-License-Identifier: Apache-2.0
"""Items of the review gate as a node makes them."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.review import ReviewItem
from lfmvl_ros.core.review.crop import around, cut
from lfmvl_ros.core.review.documents import Box

BBOX = (0.4, 0.4, 0.5, 0.6)


def item(
    number: int = 0,
    label: str = "person",
    bbox: Box | None = BBOX,
    pixels: np.ndarray | None = None,
    **changes: object,
) -> ReviewItem:
    """Return an item about a box in an image of 64 x 48 pixels."""
    if pixels is None:
        pixels = np.full((48, 64, 3), number % 256, np.uint8)
    crop, jpeg = cut(pixels, around(bbox))
    fields: dict[str, object] = {
        "id": f"{number:016x}",
        "rule": "person_in_aisle",
        "when": "dwell",
        "zone": "aisle",
        "label": label,
        "confidence": None if bbox is None else 0.53,
        "bbox": bbox,
        "crop": crop,
        "stamp_ns": 1_500_000_000 + number,
        "camera": "",
        "asked_unix_s": 1_700_000_000.0 + number,
        "timeout_s": 30.0,
        "unanswered": "drop",
        "jpeg": jpeg,
    }
    return ReviewItem(**{**fields, **changes})  # type: ignore[arg-type]
