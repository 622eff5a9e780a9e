# SPDX-License-Identifier: Apache-2.0
"""Other looks of rendered scenes: what is in them and where stays, what a model knows does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes.scene import RenderedScene


def heat(pixels: NDArray[Any]) -> NDArray[Any]:
    """Grey negatives, (H, W, 3) uint8: like a heat camera's images, dark where it was bright."""
    grey = 255 - cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, axis=2)


def negative(pixels: NDArray[Any]) -> NDArray[Any]:
    """Negatives with exchanged colours, (H, W, 3) uint8."""
    return np.ascontiguousarray(255 - pixels[..., [1, 2, 0]])


LOOKS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "usual": np.asarray,
    "negative": negative,
    "heat": heat,
}
"""By name, as ``lfmvl scenes --look`` takes them."""


def in_look(scene: RenderedScene, look: str) -> RenderedScene:
    """Return a scene with the pixels of one of :data:`LOOKS`."""
    return replace(scene, pixels=LOOKS[look](scene.pixels))
