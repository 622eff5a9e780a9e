# SPDX-License-Identifier: Apache-2.0
"""Keeps an error about one box from costing the others their places, and hides none.

No input should raise here: what does is a defect, or a value that nobody thought of. The box gets
no place (``failed``), the log gets the traceback, diagnostics count and say it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from lfmvl_ros.core.spatial.places import Refusal

Found = TypeVar("Found")
_log = logging.getLogger(__name__)


class Failures:
    """Calls what may fail for a box, and logs each way of failing once: it may come at camera rate.

    Not safe for several threads at once.
    """

    def __init__(self) -> None:
        self._logged: set[tuple[object, ...]] = set()

    def guard(self, track: int, find: Callable[[], Found]) -> Found | Refusal:
        """Return what ``find`` returns for a track; or ``failed`` where it raises."""
        try:
            return find()
        except Exception as error:
            self._note(track, error)
            return Refusal.FAILED

    def _note(self, track: int, error: Exception) -> None:
        steps = traceback.extract_tb(error.__traceback__)
        way = (type(error), *((step.filename, step.lineno) for step in steps))
        if way not in self._logged:
            self._logged.add(way)
            _log.error(
                "finding the place of track %d failed; the same failure is not logged again",
                track,
                exc_info=error,
            )
