# SPDX-License-Identifier: Apache-2.0
"""What waits for a person: events that are held, what is shown of them, what is answered."""

from lfmvl_ros.core.review.answer import ReviewAnswer, Verdict, read_answer
from lfmvl_ros.core.review.gate import GateStatus, Outcome, ReviewGate, Settled, is_marked
from lfmvl_ros.core.review.item import ReviewItem, read_item

__all__ = [
    "GateStatus",
    "Outcome",
    "ReviewAnswer",
    "ReviewGate",
    "ReviewItem",
    "Settled",
    "Verdict",
    "is_marked",
    "read_answer",
    "read_item",
]
