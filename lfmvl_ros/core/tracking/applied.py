# SPDX-License-Identifier: Apache-2.0
"""What an answer changed in the tracker, or why it changed nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Ignored(str, Enum):
    """Why an answer changed nothing.

    ``duplicate``: an answer to the same query about the same frame was applied before.
    ``too_late``: older than every answer that is still remembered.
    ``old_query``: an answer to a newer query has been applied already.
    """

    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"
    OLD_QUERY = "old_query"


class Restart(str, Enum):
    """Why all tracks were dropped: ``time_jumped_back`` or ``image_size_changed``."""

    TIME_JUMPED_BACK = "time_jumped_back"
    IMAGE_SIZE_CHANGED = "image_size_changed"


@dataclass(frozen=True)
class Applied:
    """What an answer changed in the tracker.

    Attributes:
        stamp_ns: of the answer's frame.
        ids: track of each detection; 0 for none: the answer was ignored, or it came out of order
            and no track existed for the detection.
        born: ids of new tracks.
        ended: ids of tracks that ended; they are never used again.
        ignored: why the answer changed nothing, or None.
        restarted: why all tracks were dropped before it was applied, or None.
        reordered: it was older than the newest answer, and was applied before that one.
    """

    stamp_ns: int
    ids: tuple[int, ...]
    born: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    ignored: Ignored | None = None
    restarted: Restart | None = None
    reordered: bool = False

    @property
    def id_texts(self) -> tuple[str, ...]:
        """The ids as texts for messages; empty for detections without a track.

        >>> Applied(stamp_ns=0, ids=(3, 0)).id_texts
        ('3', '')
        """
        return tuple(str(key) if key else "" for key in self.ids)
