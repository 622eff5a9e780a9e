# SPDX-License-Identifier: Apache-2.0
"""How many image tokens and tiles an image takes, by its size and the settings, and back.

The language model gets an image as image tokens, one per 32x32 pixels of the resized image. They
determine the time of vision tower and prefill. The rules are
those of LFM2-VL's processor (transformers, ``models/lfm2_vl``), and the counts equal what it emits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True)
class ImageTokenSettings:
    """Settings that determine how many tokens an image takes.

    Attributes:
        min_tokens: smaller images are enlarged to this many tokens, >= 1.
        max_tokens: larger images are reduced to this many, or cut into tiles; >= 1.
        split: cut images that are much larger into tiles.
        min_tiles, max_tiles: how many tiles then, ``2 <= min_tiles <= max_tiles``.
        thumbnail: add the whole image, reduced to ``max_tokens``, after its tiles.
        tile_px: side of a tile. A tile takes ``(tile_px / unit_px) ** 2`` tokens, regardless of
            ``max_tokens``.
        patch_px, downsample: side of a vision patch; patches of a token along each side.
        tolerance: an image is cut once it needs more than ``tolerance * max_tokens`` tokens.
        delimiters: count the markers around images and tiles in ``special_tokens``.

    Raises:
        ValueError: a value is outside the ranges above.
    """

    min_tokens: int = 64
    max_tokens: int = 256
    split: bool = True
    min_tiles: int = 2
    max_tiles: int = 10
    thumbnail: bool = True
    tile_px: int = 512
    patch_px: int = 16
    downsample: int = 2
    tolerance: float = 2.0
    delimiters: bool = True

    def __post_init__(self) -> None:
        for name in ("min_tokens", "max_tokens", "patch_px", "downsample"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 2 <= self.min_tiles <= self.max_tiles:
            raise ValueError(
                "tiles need 2 <= min_tiles <= max_tiles (split=False is the way to one tile), "
                f"got {self.min_tiles} and {self.max_tiles}"
            )
        if self.tile_px < self.unit_px or self.tile_px % self.unit_px:
            raise ValueError(f"tile_px must be a multiple of {self.unit_px}, got {self.tile_px}")
        if self.tolerance <= 0:
            raise ValueError(f"tolerance must be > 0, got {self.tolerance}")

    @property
    def unit_px(self) -> int:
        """Side of the square of pixels that becomes one token."""
        return self.patch_px * self.downsample

    @property
    def tokens_per_tile(self) -> int:
        """Image tokens of each tile."""
        return (self.tile_px // self.unit_px) ** 2


@dataclass(frozen=True)
class ImageTokenCount:
    """Tokens and tiles of one image.

    Attributes:
        wh: (width, height) of the image, pixels.
        rows, cols: its grid of tiles, 1 x 1 when it is not cut.
        resized_wh: (width, height) it is scaled to whole: its only crop, or its thumbnail.
        tile_tokens: tokens of all tiles, 0 when it is not cut.
        thumbnail_tokens: tokens of the thumbnail, 0 when there is none.
        tokens: image tokens in all, markers not counted.
        special_tokens: markers around image, tiles and thumbnail.
    """

    wh: tuple[int, int]
    rows: int
    cols: int
    resized_wh: tuple[int, int]
    tile_tokens: int
    thumbnail_tokens: int
    tokens: int
    special_tokens: int

    @property
    def tiles(self) -> int:
        """How many tiles it is cut into, 1 when it is not."""
        return self.rows * self.cols

    @property
    def crops(self) -> int:
        """How many images the vision tower sees: tiles and thumbnail."""
        return self.tiles + (self.thumbnail_tokens > 0)


def smart_size(wh: tuple[int, int], settings: ImageTokenSettings) -> tuple[int, int]:
    """Return the (width, height) an image is scaled to whole, in multiples of ``unit_px``.

    >>> smart_size((640, 480), ImageTokenSettings())
    (576, 416)
    """
    width, height = wh
    unit = settings.unit_px
    most, least = settings.max_tokens * unit**2, settings.min_tokens * unit**2
    new_height = max(unit, round(height / unit) * unit)
    new_width = max(unit, round(width / unit) * unit)
    if new_height * new_width > most:
        shrink = math.sqrt((height * width) / most)
        new_height = max(unit, math.floor(height / shrink / unit) * unit)
        new_width = max(unit, math.floor(width / shrink / unit) * unit)
    elif new_height * new_width < least:
        grow = math.sqrt(least / (height * width))
        new_height = math.ceil(height * grow / unit) * unit
        new_width = math.ceil(width * grow / unit) * unit
    return new_width, new_height


@lru_cache(maxsize=64)
def _grids(min_tiles: int, max_tiles: int) -> tuple[tuple[int, int], ...]:
    """Every (columns, rows) with a permitted number of tiles, by number of tiles."""
    # Out of a set, then sorted stably: among grids of equally many tiles the order, which decides
    # ties below, is then that of transformers.
    found = {
        (columns, rows)
        for n in range(min_tiles, max_tiles + 1)
        for columns in range(1, n + 1)
        for rows in range(1, n + 1)
        if min_tiles <= columns * rows <= max_tiles
    }
    return tuple(sorted(found, key=lambda grid: grid[0] * grid[1]))


def tile_grid(wh: tuple[int, int], settings: ImageTokenSettings) -> tuple[int, int]:
    """Return the (columns, rows) an image is cut into, (1, 1) when it stays whole.

    The grid is the one whose aspect ratio is nearest the image's; of two equally near, the
    larger when the image fills over half of its area.
    """
    width, height = wh
    unit = settings.unit_px
    rounded = [max(settings.patch_px, round(side / unit) * unit) for side in wh]
    limit = settings.max_tokens * unit**2 * settings.tolerance
    if not settings.split or rounded[0] * rounded[1] <= limit:
        return 1, 1
    best, best_difference = (1, 1), math.inf
    for columns, rows in _grids(settings.min_tiles, settings.max_tiles):
        difference = abs(width / height - columns / rows)
        roomy = width * height > 0.5 * settings.tile_px**2 * columns * rows
        if difference < best_difference or (difference == best_difference and roomy):
            best, best_difference = (columns, rows), difference
    return best


def count_image_tokens(
    wh: tuple[int, int], settings: ImageTokenSettings = ImageTokenSettings()
) -> ImageTokenCount:
    """Count the tokens of an image of ``(width, height)`` pixels.

    Raises:
        ValueError: a side is below 1.

    >>> count = count_image_tokens((1280, 720))
    >>> count.tiles, count.tokens, count.special_tokens
    (2, 764, 5)
    >>> count_image_tokens((256, 384)).tokens
    96
    """
    if min(wh) < 1:
        raise ValueError(f"an image has at least 1x1 pixels, got {wh[0]}x{wh[1]}")
    columns, rows = tile_grid(wh, settings)
    resized = smart_size(wh, settings)
    whole = (resized[0] // settings.unit_px) * (resized[1] // settings.unit_px)
    tiles = columns * rows if columns * rows > 1 else 0
    thumbnail = whole if tiles and settings.thumbnail else 0
    markers = 2 + tiles + (1 if thumbnail else 0)
    tile_tokens = tiles * settings.tokens_per_tile
    return ImageTokenCount(
        wh=wh,
        rows=rows,
        cols=columns,
        resized_wh=resized,
        tile_tokens=tile_tokens,
        thumbnail_tokens=thumbnail,
        tokens=tile_tokens + thumbnail if tiles else whole,
        special_tokens=markers if settings.delimiters else 0,
    )


def settings_for_budget(
    wh: tuple[int, int], budget_tokens: int, settings: ImageTokenSettings = ImageTokenSettings()
) -> ImageTokenSettings:
    """Return settings with which an image takes the most tokens that fit the budget.

    Tiles and ``max_tokens`` are only ever lowered from ``settings``; of settings with equally many
    tokens, the ones nearest to ``settings`` are used. ``min_tokens`` is lowered with
    ``max_tokens``.

    Raises:
        ValueError: not even one token fits (the message names the smallest cost).

    >>> fitted = settings_for_budget((1280, 720), 300)
    >>> fitted.split, fitted.max_tokens, count_image_tokens((1280, 720), fitted).tokens
    (False, 256, 252)
    """
    best: ImageTokenSettings | None = None
    best_tokens, least = 0, math.inf
    for candidate in _lowered(settings):
        tokens = count_image_tokens(wh, candidate).tokens
        least = min(least, tokens)
        if best_tokens < tokens <= budget_tokens:
            best, best_tokens = candidate, tokens
    if best is None:
        raise ValueError(
            f"no settings bring a {wh[0]}x{wh[1]} image down to {budget_tokens} image tokens; "
            f"the fewest it can cost is {int(least)}"
        )
    return best


def _lowered(settings: ImageTokenSettings) -> list[ImageTokenSettings]:
    """The settings and what lies below them, nearest first."""
    tiles = range(settings.max_tiles, settings.min_tiles - 1, -1) if settings.split else ()
    tilings = [replace(settings, max_tiles=most) for most in tiles]
    tilings.append(replace(settings, split=False))
    return [
        settings,
        *(
            replace(tiling, max_tokens=most, min_tokens=min(settings.min_tokens, most))
            for tiling in tilings
            for most in range(settings.max_tokens, 0, -1)
        ),
    ]
