# SPDX-License-Identifier: Apache-2.0
"""A part of a camera image that a model is asked about instead of the whole image.

Boxes are in pixels of the whole image, unless a name says otherwise. An edge of the region that is
not an edge of the image cuts objects; what such an edge cuts has not been seen completely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray

CUT_SHARE = 0.02
"""A box that ends closer than this share of the region to its edge may continue beyond it."""
WELL_INSIDE_SHARE = 0.05
"""An object farther than this share of the region from its edges can't be missed because of them.

More than :data:`CUT_SHARE`, so that an object whose box may not be used is not missed either.
"""


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels of an image.

    Attributes:
        xyxy_px: x1, y1, x2, y2 with ``0 <= x1 < x2 <= width`` and the same for y.
        wh: (width, height) of the whole image, pixels.

    Raises:
        ValueError: the rectangle is not in the image.

    >>> Region((320, 240, 640, 480), (640, 480)).magnification
    2.0
    """

    xyxy_px: tuple[int, int, int, int]
    wh: tuple[int, int]

    def __post_init__(self) -> None:
        numbers = (*self.xyxy_px, *self.wh)
        if len(numbers) != 6 or not all(type(number) is int for number in numbers):
            raise ValueError(f"a Region has six integers, got {self.xyxy_px} of {self.wh}")
        x1, y1, x2, y2 = self.xyxy_px
        if not (0 <= x1 < x2 <= self.wh[0] and 0 <= y1 < y2 <= self.wh[1]):
            raise ValueError(
                f"a Region is x1 < x2 and y1 < y2 inside the image, got {self.xyxy_px} of an "
                f"image of {self.wh[0]}x{self.wh[1]}"
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        """Its own (width, height), pixels."""
        x1, y1, x2, y2 = self.xyxy_px
        return x2 - x1, y2 - y1

    @property
    def magnification(self) -> float:
        """How much larger its objects are for a model that sees every image at one size; >= 1."""
        width, height = self.size_wh
        return math.sqrt(self.wh[0] * self.wh[1] / (width * height))

    def cut_from(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a copy of its pixels, ``(h, w, 3)``, from those of the image ``(H, W, 3)``."""
        x1, y1, x2, y2 = self.xyxy_px
        return np.ascontiguousarray(pixels[y1:y2, x1:x2])

    @property
    def scale(self) -> FloatArray:
        """Pixels of the image per pixel of the region enlarged to the image's size, ``(4,)``."""
        return np.tile(np.array(self.size_wh) / np.array(self.wh), 2)

    def to_image(self, xyxy_px: FloatArray) -> FloatArray:
        """Return boxes ``(N, 4)`` in pixels of the enlarged region in pixels of the image."""
        return np.asarray(xyxy_px * self.scale + self._offset)

    def from_image(self, xyxy_px: FloatArray) -> FloatArray:
        """Return boxes ``(N, 4)`` in pixels of the image in pixels of the enlarged region."""
        return np.asarray((xyxy_px - self._offset) / self.scale)

    def _edges(self, share: float) -> FloatArray:
        """Lines ``(4,)`` this share of the region inside its edges; none at the image's border."""
        width, height = self.size_wh
        inset = share * np.array([width, height, -width, -height], dtype=np.float64)
        return np.where(self._is_border, [-np.inf, -np.inf, np.inf, np.inf], self._box + inset)

    @property
    def _box(self) -> FloatArray:
        return np.array(self.xyxy_px, dtype=np.float64)

    @property
    def _offset(self) -> FloatArray:
        return np.tile(self._box[:2], 2)

    @property
    def _is_border(self) -> NDArray[np.bool_]:
        return np.asarray(np.array(self.xyxy_px) == np.array([0, 0, *self.wh]))

    def cuts(self, xyxy_px: FloatArray) -> NDArray[np.bool_]:
        """Return which boxes ``(N, 4)`` of an answer about it may go on outside, ``(N,)``."""
        return ~_between(xyxy_px, self._edges(CUT_SHARE))

    def holds(self, xyxy_px: FloatArray) -> NDArray[np.bool_]:
        """Return which objects ``(N, 4)`` are so far inside that an answer should name them."""
        return _between(xyxy_px, self._edges(WELL_INSIDE_SHARE))


def _between(xyxy_px: FloatArray, lines: FloatArray) -> NDArray[np.bool_]:
    low = (xyxy_px[:, :2] >= lines[:2]).all(axis=1)
    return np.asarray(low & (xyxy_px[:, 2:] <= lines[2:]).all(axis=1))
