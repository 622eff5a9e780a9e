# SPDX-License-Identifier: Apache-2.0
"""Which patch grid the processor makes of an image: the samples of a batch must share one."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.image_tokens import ImageTokenSettings, smart_size

PATCH_PX = 16
_UNSHUFFLE = 2

BUDGET = ImageTokenSettings(min_tokens=32, max_tokens=112, split=False)
"""What the bundled checkpoint's processor asks for by default: the finer of two trained with."""

COARSE = ImageTokenSettings(min_tokens=32, max_tokens=64, split=False)
"""The other one, so that the cap may be lowered where time is short."""


@dataclass(frozen=True)
class Grid:
    """Patches of one resized image: ``columns`` by ``rows``, both even."""

    columns: int
    rows: int

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2 or self.columns % 2 or self.rows % 2:
            raise ValueError(f"a grid has even numbers of patches, got {self.columns}x{self.rows}")

    @property
    def wh_px(self) -> tuple[int, int]:
        """Size of the resized image in pixels."""
        return self.columns * PATCH_PX, self.rows * PATCH_PX

    @property
    def patches(self) -> int:
        """Number of patches the vision tower sees."""
        return self.columns * self.rows

    @property
    def tokens(self) -> int:
        """Number of image tokens the language model sees."""
        return self.patches // _UNSHUFFLE**2


def grid_for(wh_px: tuple[int, int], budget: ImageTokenSettings = BUDGET) -> Grid:
    """The grid of an image of this size when it is not split into tiles.

    >>> grid_for((640, 480))
    Grid(columns=24, rows=18)
    >>> grid_for((640, 480), COARSE).tokens
    54
    """
    if min(wh_px) < 1:
        raise ValueError(f"an image has at least one pixel each way, got {wh_px[0]}x{wh_px[1]}")
    width, height = smart_size(wh_px, budget)
    return Grid(width // PATCH_PX, height // PATCH_PX)
