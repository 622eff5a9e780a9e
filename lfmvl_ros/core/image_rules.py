# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's image token rules with a user's settings applied."""

from __future__ import annotations

from dataclasses import replace

from lfmvl_ros.core.config import ImageSettings
from lfmvl_ros.core.image_tokens import ImageTokenSettings


def wanted_rules(own: ImageTokenSettings, wanted: ImageSettings) -> ImageTokenSettings:
    """Return a checkpoint's ``own`` token rules with the user's settings; 0 keeps its own.

    ``min_tokens`` never exceeds ``max_tokens``; one tile at most means no splitting.
    """
    most = wanted.max_tokens or own.max_tokens
    tiles = wanted.max_tiles or own.max_tiles
    split = own.split if wanted.split == "checkpoint" else wanted.split == "always"
    return replace(
        own,
        min_tokens=min(wanted.min_tokens or own.min_tokens, most),
        max_tokens=most,
        split=split and tiles > 1,
        min_tiles=max(2, min(own.min_tiles, tiles)),
        max_tiles=max(2, tiles),
    )
