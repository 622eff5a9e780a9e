# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: scenes side by side with their true boxes, to look at."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes.scene import RenderedScene

_INK = ((80, 230, 90), (255, 200, 40), (90, 190, 255), (255, 110, 180), (190, 140, 255))


def draw_truth(scene: RenderedScene, *, label: bool = True) -> NDArray[Any]:
    """A copy of the pixels (H,W,3) with visible boxes and the most telling name of each object."""
    image: NDArray[Any] = scene.pixels.copy()
    scale = max(0.3, min(scene.wh) / 1100)
    for item in scene.objects:
        if item.visibility == 0:
            continue
        x0, y0, x1, y1 = (int(v) for v in item.visible_xyxy_px)
        ink = _INK[item.id % len(_INK)]
        cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), ink, max(1, round(2 * scale)))
        if not label:
            continue
        text = item.names[1]
        (w, h), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        top = max(y0 - h - below, 0)
        left = min(max(x0, 0), max(scene.wh[0] - w, 0))
        cv2.rectangle(image, (left, top), (left + w, top + h + below), (20, 20, 20), -1)
        origin = (left, top + h + below // 2)
        cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
    return image


def contact_sheet(images: list[NDArray[Any]], *, columns: int | None = None) -> NDArray[Any]:
    """Images of one size (H,W,3) in rows on one sheet; about square where columns is None.

    Raises ValueError for no images.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image, got none")
    h, w = images[0].shape[:2]
    if columns is None:
        columns = max(1, round(float(np.sqrt(len(images) * h / w))))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    gap = 4
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        sheet[y : y + h, x : x + w] = image
    return sheet
