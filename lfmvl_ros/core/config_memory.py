# SPDX-License-Identifier: Apache-2.0
"""Settings of the memory: where objects were last seen."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class MemorySettings(Group):
    """Whether, and for how long, the node records where objects were last seen (docs/memory.md)."""

    file: str = setting(
        "",
        "Database in which confirmed objects are kept, each with label, time, position or box, and "
        "a crop of the image. Set it to look up where something was last seen, with `lfmvl where` "
        "or the tool where_is. Empty: nothing is kept.",
        read_only=True,
    )
    max_age_h: float = setting(
        24.0,
        "Objects that were last seen longer ago than this are forgotten. Lower it where images of "
        "people may not be kept for so long.",
        unit="h",
        low=0.01,
        high=8760.0,
        read_only=True,
    )
    max_objects: int = setting(
        5000,
        "Maximum number of objects that are kept; those seen longest ago are forgotten first. "
        "Each takes about 20 kB, mostly its crop.",
        unit="objects",
        low=1,
        high=100000,
        read_only=True,
    )
    period_s: float = setting(
        2.0,
        "How often the objects in view are recorded. Raise it if the disk is slow.",
        unit="s",
        low=0.1,
        high=3600.0,
        read_only=True,
    )
