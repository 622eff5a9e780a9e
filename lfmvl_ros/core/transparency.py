# SPDX-License-Identifier: Apache-2.0
"""Images with transparent pixels, put onto a plain background.

Everything else takes the colours below the transparency, as cameras and renderers mean them; of a
drawing or a text without a background these are often all one colour.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lfmvl_ros.core.colour import Pixels


def over_background(path: Path) -> tuple[Pixels, float] | None:
    """Return an image over white or black, whichever differs more from what is opaque.

    Args:
        path: of an image file that has been decoded before.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and which share of the pixels is transparent, above 0; None for an
        image without transparency.
    """
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if (
        image is None
        or image.ndim != 3
        or image.shape[2] != 4
        or image.dtype not in (np.uint8, np.uint16)
    ):
        return None
    full = 255 if image.dtype == np.uint8 else 65535
    alpha = image[..., 3:].astype(np.float32) / full
    if alpha.min() == 1:
        return None
    colours = image[..., 2::-1].astype(np.float32) * (255 / full)
    mean = float((colours * alpha).sum() / max(3 * float(alpha.sum()), 1e-9))
    background = 255.0 if mean < 128 else 0.0
    flat = np.rint(colours * alpha + background * (1 - alpha))
    return np.ascontiguousarray(flat.astype(np.uint8)), float((alpha < 1).mean())
