# SPDX-License-Identifier: Apache-2.0
"""What a loaded model can do beside boxes, as far as the catalogue knows."""

from __future__ import annotations

from lfmvl_ros.models.catalog import CatalogEntry, find
from lfmvl_ros.models.server.facts import spellings


def entry_of(name: str) -> CatalogEntry | None:
    """Return the catalogue entry of a loaded model, by the name it answers with; None without one.

    Servers and GGUF files call a checkpoint otherwise than the hub does; quantised ones count as
    the checkpoint itself.
    """
    return next((entry for spelt in spellings(name) if (entry := find(spelt))), None)


def tool_syntax(name: str) -> str:
    """Return how a model is given tools, as its family does; "" where it can't call functions.

    >>> tool_syntax("LFM2.5-VL-450M-Q4_0"), tool_syntax("bundled"), tool_syntax("/my/checkpoint")
    ('lfm2.5', 'learned', '')
    """
    entry = entry_of(name)
    return "" if entry is None or entry.tools in ("none", "unknown") else entry.tools


def may_describe(name: str) -> bool:
    """Return False for a model that is known not to describe images."""
    entry = entry_of(name)
    return entry is None or entry.captions != "no"
