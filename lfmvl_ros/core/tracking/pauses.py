# SPDX-License-Identifier: Apache-2.0
"""Times in which the model was not asked on purpose, so that no answer could come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.timeline import NS

MOST_SPANS = 64


@dataclass(frozen=True)
class Pauses:
    """The newest times without requests: ``(from_ns, to_ns, still)``, in order, not overlapping.

    ``still``: the image did not change, so what the last answer found is still there.
    """

    spans: tuple[tuple[int, int, bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans)

    def and_then(self, from_ns: int, to_ns: int, still: bool) -> Pauses:
        """Return the pauses with one more, which is newer and may continue the last one."""
        if to_ns <= from_ns:
            return self
        if self.spans and self.spans[-1][1] == from_ns and self.spans[-1][2] == still:
            return Pauses((*self.spans[:-1], (self.spans[-1][0], to_ns, still)))
        return Pauses((*self.spans, (from_ns, to_ns, still))[-MOST_SPANS:])

    def still_ns(self, since_ns: int, until_ns: int) -> int:
        """Return how much of a time the image stood still, ns."""
        inside = [
            min(to_ns, until_ns) - max(from_ns, since_ns)
            for from_ns, to_ns, still in self.spans
            if still
        ]
        return sum(part for part in inside if part > 0)

    def between_s(
        self, since_ns: NDArray[np.int64], until_ns: int, *, still_only: bool = False
    ) -> FloatArray:
        """Return how much of the time since each of ``since_ns`` ``(N,)`` was a pause, s.

        >>> pauses = Pauses().and_then(1_000_000_000, 4_000_000_000, still=True)
        >>> pauses.between_s(np.array([0, 2_000_000_000]), 3_000_000_000).tolist()
        [2.0, 1.0]
        """
        total = np.zeros(len(since_ns))
        for from_ns, to_ns, still in self.spans:
            if still or not still_only:
                total += np.maximum(min(to_ns, until_ns) - np.maximum(since_ns, from_ns), 0)
        return total * NS


NO_PAUSES = Pauses()
