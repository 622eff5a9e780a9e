# SPDX-License-Identifier: Apache-2.0
"""How a camera's topics, services and diagnostics are called; a node's only camera has no name."""

from __future__ import annotations


def topic_prefix(camera: str) -> str:
    """Return what stands in front of the names of a camera's topics and services.

    >>> topic_prefix("front") + "tracks", topic_prefix("") + "tracks"
    ('front/tracks', 'tracks')
    """
    return f"{camera}/" if camera else ""


def health_name(part: str, camera: str) -> str:
    """Return what a part of a camera is called in diagnostics.

    >>> health_name("reading", "front"), health_name("reading", "")
    ('reading front', 'reading')
    """
    return f"{part} {camera}" if camera else part
