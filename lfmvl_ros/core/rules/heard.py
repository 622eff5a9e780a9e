# SPDX-License-Identifier: Apache-2.0
"""Tracks and events of a run, to compare them with what really happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from lfmvl_ros.core.rules.event import Event, EventState
from lfmvl_ros.core.tracking import Tracks


@dataclass
class Heard:
    """A run.

    Attributes:
        tracks: at each frame.
        events: in their order.
        payload_bytes: of the events, as JSON.
        answers: of the model.
    """

    tracks: list[Tracks] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    payload_bytes: int = 0
    answers: int = 0

    def spans_s(self, rule: str) -> list[tuple[float, float]]:
        """Return when each event of a rule began and ended, s; inf for active ones."""
        found: dict[str, tuple[float, float]] = {}
        for event in self.events:
            if event.rule == rule:
                over = event.state is EventState.END
                end_s = event.stamp_ns / 1e9 if over else float("inf")
                found[event.id] = event.begin_ns / 1e9, end_s
        return list(found.values())
