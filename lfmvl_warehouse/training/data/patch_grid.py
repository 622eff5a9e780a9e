# SPDX-License-Identifier: Apache-2.0
"""Which patches and tokens the processor makes of an image: samples of a batch share them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.image_tokens import ImageTokenSettings, smart_size, tile_grid

PATCH_PX = 16
TILE_PX = 256
_UNSHUFFLE = 2
_TILE = TILE_PX // PATCH_PX

BUDGET = ImageTokenSettings(min_tokens=32, max_tokens=112, split=False, tile_px=TILE_PX)
"""What the bundled checkpoint's processor asks for by default: the finer of two trained with."""

COARSE = replace(BUDGET, max_tokens=64)
"""The other one, so that the cap may be lowered where time is short."""

TILED = replace(BUDGET, split=True)
"""Large images in tiles, with the whole image behind them as a thumbnail."""


@dataclass(frozen=True)
class Crop:
    """A part of the image that the vision tower sees by itself.

    Attributes:
        columns, rows: its patches, both even.
        window: left, top, right and bottom of it in the image, normalised.
    """

    columns: int
    rows: int
    window: tuple[float, float, float, float]

    @property
    def patches(self) -> int:
        """Number of patches."""
        return self.columns * self.rows

    @property
    def tokens(self) -> int:
        """Number of image tokens they become."""
        return self.patches // _UNSHUFFLE**2

    @lru_cache(maxsize=256)  # noqa: B019  (crops are few and small)
    def middles(self, side: int = 1) -> NDArray[Any]:
        """(N, 2) x and y in the image of the middles of squares of ``side`` patches."""
        left, top, right, bottom = self.window
        columns, rows = self.columns // side, self.rows // side
        x = left + (right - left) * (np.arange(columns) + 0.5) / columns
        y = top + (bottom - top) * (np.arange(rows) + 0.5) / rows
        return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


@dataclass(frozen=True)
class Grid:
    """Patches of one image: ``columns`` by ``rows``, both even, and of the tiles before them.

    Attributes:
        columns, rows: patches of the whole image.
        tiles: columns and rows of the tiles the image is cut into at a larger size; the whole
            image is then the thumbnail that follows them. (1, 1) for no tiles.
    """

    columns: int
    rows: int
    tiles: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2 or self.columns % 2 or self.rows % 2:
            raise ValueError(f"a grid has even numbers of patches, got {self.columns}x{self.rows}")
        if min(self.tiles) < 1:
            raise ValueError(f"an image has at least one tile each way, got {self.tiles}")

    @property
    def tiled(self) -> bool:
        """Whether there are tiles."""
        return self.tiles != (1, 1)

    @property
    def wh_px(self) -> tuple[int, int]:
        """Size of the whole image as it is seen, in pixels."""
        return self.columns * PATCH_PX, self.rows * PATCH_PX

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of the image before it is cut into tiles, if it is, and whole."""
        columns, rows = self.tiles
        large = ((columns * TILE_PX, rows * TILE_PX),) if self.tiled else ()
        return (*large, self.wh_px)

    @property
    def crops(self) -> tuple[Crop, ...]:
        """What the vision tower sees, in order: tiles row by row, then the whole image."""
        whole = Crop(self.columns, self.rows, (0.0, 0.0, 1.0, 1.0))
        if not self.tiled:
            return (whole,)
        across, down = self.tiles
        tiles = (
            Crop(_TILE, _TILE, (x / across, y / down, (x + 1) / across, (y + 1) / down))
            for y in range(down)
            for x in range(across)
        )
        return (*tiles, whole)

    @property
    def patches(self) -> int:
        """Number of patches the vision tower sees."""
        return sum(crop.patches for crop in self.crops)

    @property
    def tokens(self) -> int:
        """Number of image tokens the language model sees."""
        return sum(crop.tokens for crop in self.crops)

    @lru_cache(maxsize=64)  # noqa: B019
    def token_patches(self) -> NDArray[Any]:
        """(tokens, 4) int64, the patches that become each token."""
        found, first = [], 0
        for crop in self.crops:
            numbers = first + np.arange(crop.patches).reshape(crop.rows // 2, 2, -1, 2)
            found.append(numbers.transpose(0, 2, 1, 3).reshape(-1, 4))
            first += crop.patches
        return np.concatenate(found)

    @lru_cache(maxsize=64)  # noqa: B019
    def token_middles(self) -> NDArray[Any]:
        """(tokens, 2) float32, where in the image the middle of each token is."""
        middles = [crop.middles(_UNSHUFFLE) for crop in self.crops]
        return np.asarray(np.concatenate(middles), np.float32)


def grid_for(wh_px: tuple[int, int], budget: ImageTokenSettings = BUDGET) -> Grid:
    """The grid of an image of this size.

    >>> grid_for((640, 480))
    Grid(columns=24, rows=18, tiles=(1, 1))
    >>> grid_for((640, 480), COARSE).tokens
    54
    >>> grid_for((1280, 720), TILED).tiles
    (4, 2)
    """
    if min(wh_px) < 1:
        raise ValueError(f"an image has at least one pixel each way, got {wh_px[0]}x{wh_px[1]}")
    width, height = smart_size(wh_px, budget)
    return Grid(width // PATCH_PX, height // PATCH_PX, tile_grid(wh_px, budget))
