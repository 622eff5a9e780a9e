# SPDX-License-Identifier: Apache-2.0
"""Settings of the review gate: which events wait for a person, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class ReviewSettings(Group):
    """Which events of rules wait for a person's answer (docs/review.md)."""

    min_confidence: float = setting(
        0.0,
        "Lower end of the band of confidence in which events are held.",
        low=0.0,
        high=1.0,
    )
    max_confidence: float = setting(
        0.0,
        "Upper end of that band. An event is held when the confidence of its least certain object "
        "is at least min_confidence and below this. 0: no band; events of rules with review: true "
        "are held in any case.",
        low=0.0,
        high=1.0,
    )
    timeout_s: float = setting(
        30.0,
        "How long an event is held. Without an answer by then it is dropped, or published where "
        "its rule says unanswered: publish.",
        unit="s",
        low=0.1,
        high=86400.0,
    )
    max_held: int = setting(
        100,
        "Most events of a camera that are held at a time. Any more are treated at once like those "
        "without an answer, and counted.",
        low=1,
        high=1000,
        unit="events",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_confidence and self.min_confidence >= self.max_confidence:
            raise UserError(
                "review.min_confidence must be below review.max_confidence, "
                f"got {self.min_confidence} and {self.max_confidence}"
            )
