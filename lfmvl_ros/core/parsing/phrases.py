# SPDX-License-Identifier: Apache-2.0
"""What had to be repaired or could not be used, as phrases that go into messages."""

from __future__ import annotations

from collections.abc import Sequence

MAX_PHRASES = 50
"""``repairs`` and ``rejected`` are messages on a topic: bounded."""


def bounded(phrases: Sequence[str]) -> tuple[str, ...]:
    """Return the first :data:`MAX_PHRASES` phrases, and how many more there were."""
    if len(phrases) <= MAX_PHRASES:
        return tuple(phrases)
    return (*phrases[:MAX_PHRASES], f"and {len(phrases) - MAX_PHRASES} more")
