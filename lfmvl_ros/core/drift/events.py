# SPDX-License-Identifier: Apache-2.0
"""Drift as events: each change begins once, is updated with its newest mean, and ends once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lfmvl_ros.core.drift.monitor import Change
from lfmvl_ros.core.rules.event import SCHEMA, EndReason, EventState
from lfmvl_ros.core.timeline import stamp_document

WHEN = "drift"
_UNITS = {"latency_s": "s", "temperature_c": "°C"}
_DIGITS = 4  # significant ones


@dataclass(frozen=True)
class DriftEvent:
    """One message about a change of images or answers.

    Attributes:
        id: of the change; the same in all its messages, and in no other's of this process.
        state: begin, update or end.
        reason: why it ended; None before.
        stamp_ns: of the frame whose answer showed this.
        begin_ns: of the frame whose answer began it.
        frame_id, camera: of the frame.
        change: the figure with its present mean and that of the reference.
    """

    id: str
    state: EventState
    reason: EndReason | None
    stamp_ns: int
    begin_ns: int
    frame_id: str
    camera: str
    change: Change

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``events`` (schema ``lfmvl/event/1``)."""
        change = self.change
        return {
            "schema": SCHEMA,
            "id": self.id,
            "rule": "",
            "when": WHEN,
            "state": self.state.value,
            "reason": None if self.reason is None else self.reason.value,
            "stamp": stamp_document(self.stamp_ns),
            "begin_stamp": stamp_document(self.begin_ns),
            "evidence_stamp": stamp_document(self.stamp_ns),
            "frame_id": self.frame_id,
            "camera": self.camera,
            "position_frame": "",
            "zone": "",
            "probability": 1.0,
            "value": _rounded(change.now),
            "unit": _UNITS.get(change.feature, ""),
            "tracks": [],
            "drift": {
                "figure": change.feature,
                "reference": _rounded(change.before),
                "sigmas": round(change.sigmas, 2),
            },
        }


class DriftEvents:
    """Compares the changes after each answer with those before. Not thread-safe.

    Stamps are those of the frames, also where time restarts: drift is a comparison of answers, in
    whatever order their frames were taken.

    Args:
        camera: name; "" when it is the only one.
    """

    def __init__(self, camera: str = "") -> None:
        self._camera = camera
        self._numbers = itertools.count(1)
        self._open: dict[str, DriftEvent] = {}
        self._subject: tuple[str, str] | None = None
        self._stamp_ns, self._frame_id = 0, ""

    def update(
        self,
        changes: Sequence[Change],
        cleared: Sequence[Change],
        subject: tuple[str, str],
        stamp_ns: int,
        frame_id: str,
    ) -> list[DriftEvent]:
        """Take the changes after an answer; return what began, went on with a new mean, or ended.

        Args:
            changes: all that last.
            cleared: those that ended with this answer, with the mean that ended them.
            subject: query and model; another one has another reference, which ends all changes.
            stamp_ns: of the frame that the answer is about.
            frame_id: of the same.
        """
        self._stamp_ns, self._frame_id = stamp_ns, frame_id
        events = []
        if subject != self._subject:
            self._subject = subject
            events = self._end(EndReason.REFERENCE_CHANGED, list(self._open))
        now = {change.feature: change for change in changes}
        for change in cleared:  # the end has the mean that shows it, not that of the last update
            if change.feature in self._open:
                self._open[change.feature] = replace(self._open[change.feature], change=change)
        events += self._end(EndReason.CLEARED, [name for name in self._open if name not in now])
        for name, change in now.items():
            before = self._open.get(name)
            if before is not None and before.change is change:
                continue  # no 20 further answers yet: the monitor makes a new one then
            if before is None:
                event = self._begun(change)
            else:
                event = replace(before, state=EventState.UPDATE, stamp_ns=stamp_ns,
                                frame_id=frame_id, change=change)  # fmt: skip
            self._open[name] = event
            events.append(event)
        return events

    def close(self) -> list[DriftEvent]:
        """Return the ends of all changes, because the node stops; those that last begin again."""
        return self._end(EndReason.STOPPED, list(self._open))

    def _begun(self, change: Change) -> DriftEvent:
        number = f"{WHEN}:{change.feature}/{self._stamp_ns}/{next(self._numbers)}"
        return DriftEvent(number, EventState.BEGIN, None, self._stamp_ns, self._stamp_ns,
                          self._frame_id, self._camera, change)  # fmt: skip

    def _end(self, reason: EndReason, names: Sequence[str]) -> list[DriftEvent]:
        return [
            replace(self._open.pop(name), state=EventState.END, reason=reason,
                    stamp_ns=self._stamp_ns, frame_id=self._frame_id)
            for name in names
        ]  # fmt: skip


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
