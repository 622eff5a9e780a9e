# SPDX-License-Identifier: Apache-2.0
"""What applying one answer to the tracks leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lfmvl_ros.core.tracking.table import Table


@dataclass(frozen=True, eq=False)
class Step:
    """The next table, and what the answer did.

    Attributes:
        table: the tracks.
        ids: the track of each detection; 0: none.
        born: detection -> the track that it started.
        ended: ids.
        exchanged: old id -> new id of what was exchanged in place.
    """

    table: Table
    ids: tuple[int, ...]
    born: Mapping[int, int] = field(default_factory=dict)
    ended: tuple[int, ...] = ()
    exchanged: Mapping[int, int] = field(default_factory=dict)
