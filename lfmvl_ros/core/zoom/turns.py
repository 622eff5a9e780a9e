# SPDX-License-Identifier: Apache-2.0
"""Which answers of a camera are about a region, in fixed turns: the whole image keeps its share."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Turns:
    """Counts what regions are owed.

    Attributes:
        owed: answers, [0, 2); from 1 on the next one may be about a region.
    """

    owed: float = 0.0

    @property
    def is_region_next(self) -> bool:
        """Whether the next answer may be about a region."""
        return self.owed >= 1 - 1e-9

    def after(self, share: float, *, was_region: bool) -> Turns:
        """Return the turns after one more answer.

        What is owed is limited, so that a time without regions is not followed by a run of answers
        about them.

        Args:
            share: of the answers that are about regions, [0, 1).
            was_region: whether this one was.

        >>> turns, asked = Turns(), ""
        >>> for _ in range(6):
        ...     region = turns.is_region_next
        ...     asked += "r" if region else "w"
        ...     turns = turns.after(0.5, was_region=region)
        >>> asked
        'wwrwrw'
        """
        return replace(self, owed=min(self.owed - was_region, 1.0) + share)
