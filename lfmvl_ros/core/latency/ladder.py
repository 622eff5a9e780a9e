# SPDX-License-Identifier: Apache-2.0
"""The image token settings that a latency budget chooses among, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from lfmvl_ros.core.image_tokens import ImageTokenCount, ImageTokenSettings, count_image_tokens
from lfmvl_ros.core.latency.answer_time import ImageWork

Sizes = tuple[tuple[int, int], ...]
"""(width, height) of each image of a batch, pixels."""


@dataclass(frozen=True)
class Rung:
    """One possible choice for an image, or for all images of a batch.

    Attributes:
        settings: the token rules.
        tokens: image tokens of all images then, markers not counted.
        tiles: most tiles of one of the images, 1 when none is cut.
        work: of vision and prefill.
    """

    settings: ImageTokenSettings
    tokens: int
    tiles: int
    work: ImageWork


@lru_cache(maxsize=64)
def ladder(
    sizes: Sizes, rules: ImageTokenSettings, prompt_text_tokens: int = 0
) -> tuple[Rung, ...]:
    """Return the choices for images of these sizes, cheapest first; ``rules`` are the last.

    No choice gives an image fewer tokens than ``rules.min_tokens`` (or than ``rules`` do), more
    tokens or tiles than ``rules``, or more work for fewer tokens than another. From each to the
    next, tokens increase and no kind of work decreases.

    Args:
        sizes: of the images, at least one.
        rules: the user's settings, completed by the checkpoint's.
        prompt_text_tokens: length of a prompt without its image.

    >>> rules = ImageTokenSettings(max_tokens=100, split=False)
    >>> [rung.tokens for rung in ladder(((512, 512),), rules)]
    [64, 81, 100]
    """
    if not sizes:
        raise ValueError("a ladder is for one image at least, got none")
    own_counts = [count_image_tokens(wh, rules) for wh in sizes]
    caps = range(rules.max_tokens, rules.min_tokens - 1, -1)
    candidates = [replace(rules, split=False, max_tokens=most) for most in caps]
    if rules.split:
        tilings = range(rules.max_tiles, rules.min_tiles - 1, -1)
        candidates = [*(replace(rules, max_tiles=most) for most in tilings), *candidates]
    found = []
    for settings in candidates:
        counts = [count_image_tokens(wh, settings) for wh in sizes]
        if _within(counts, own_counts, rules.min_tokens):
            found.append(_rung(settings, counts, prompt_text_tokens))
    # Stable: of equally many tokens and patches the one nearest to the rules.
    found.sort(key=lambda rung: (-rung.tokens, rung.work.patches))
    kept = [_rung(rules, own_counts, prompt_text_tokens)]
    for rung in found:
        last = kept[-1]
        cheaper = (
            rung.work.patches <= last.work.patches
            and rung.work.prompt_tokens <= last.work.prompt_tokens
        )
        if rung.tokens < last.tokens and cheaper:
            kept.append(rung)
    return tuple(reversed(kept))


def _within(counts: list[ImageTokenCount], own: list[ImageTokenCount], least: int) -> bool:
    return all(
        min(least, most.tokens) <= count.tokens <= most.tokens and count.tiles <= most.tiles
        for count, most in zip(counts, own, strict=True)
    )


def _rung(
    settings: ImageTokenSettings, counts: list[ImageTokenCount], prompt_text_tokens: int
) -> Rung:
    """Count the work: crops are padded to the largest and prompts to the longest of the batch."""
    in_crop = max(
        settings.tokens_per_tile if count.tile_tokens else count.tokens for count in counts
    )
    longest = max(count.tokens + count.special_tokens for count in counts)
    work = ImageWork(
        patches=sum(count.crops for count in counts) * in_crop * settings.downsample**2,
        prompt_tokens=len(counts) * (longest + prompt_text_tokens),
    )
    tiles = max(count.tiles for count in counts)
    return Rung(settings, sum(count.tokens for count in counts), tiles, work)
