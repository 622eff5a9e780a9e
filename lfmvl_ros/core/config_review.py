# SPDX-License-Identifier: Apache-2.0
"""Settings of the review gate: which events are held for a person, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class ReviewSettings(Group):
    """Which events of rules are held until a person has answered (docs/review.md)."""

    min_confidence: float = setting(
        0.0,
        "Events are held until a person has answered (docs/review.md) if the confidence of their "
        "least certain object is at least this, and below max_confidence. Events with a lower "
        "confidence are published unreviewed, so leave it at 0 unless something else drops them.",
        low=0.0,
        high=1.0,
    )
    max_confidence: float = setting(
        0.0,
        "Events are held if the confidence of their least certain object is below this, and at "
        "least min_confidence. 0: no event is held because of its confidence. Set it to the "
        "confidence from which you trust the model. Events of rules with review: true are held "
        "whatever their confidence.",
        low=0.0,
        high=1.0,
    )
    timeout_s: float = setting(
        30.0,
        "How long an event is held. Without an answer by then it is dropped, or published if its "
        "rule has unanswered: publish. Raise it if people need longer to answer.",
        unit="s",
        low=0.1,
        high=86400.0,
    )
    max_held: int = setting(
        100,
        "Maximum number of events held at a time, per camera. Further ones are handled at once "
        "like those without an answer, and counted. Lower it if memory is short.",
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
