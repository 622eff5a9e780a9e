# SPDX-License-Identifier: Apache-2.0
"""Review: events held for a person, what the person is shown, and the answers."""

from lfmvl_ros.core.review.answer import ReviewAnswer, ReviewVerdict, read_answer
from lfmvl_ros.core.review.gate import GateStatus, ReviewGate, ReviewOutcome, Settled, is_marked
from lfmvl_ros.core.review.item import ReviewItem, read_item

__all__ = [
    "GateStatus",
    "ReviewAnswer",
    "ReviewGate",
    "ReviewItem",
    "ReviewOutcome",
    "ReviewVerdict",
    "Settled",
    "is_marked",
    "read_answer",
    "read_item",
]
