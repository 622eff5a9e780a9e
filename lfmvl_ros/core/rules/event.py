# SPDX-License-Identifier: Apache-2.0
"""Events of rules, as they are published."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from lfmvl_ros.core.rules.facts import Facts
from lfmvl_ros.core.rules.rule import Kind
from lfmvl_ros.core.timeline import stamp_document

SCHEMA = "lfmvl/event/1"


class EventState(str, Enum):
    """An event begins once, may be updated, and ends once."""

    BEGIN = "begin"
    UPDATE = "update"
    END = "end"


class EndReason(str, Enum):
    """Why an event ended.

    ``cleared``: the rule does not hold any more. ``gone``: its track was lost.
    ``over``: an event of a moment has lasted ``hold_s``. ``restarted``: time restarted, and all
    tracks ended. ``not_asked``: the query does not name its labels any more, or another one is
    selected. ``rules_changed``: the rule was changed or removed. ``reference_changed``: another
    query or model, so that drift is compared with another reference. ``stopped``: the node stopped.
    """

    CLEARED = "cleared"
    GONE = "gone"
    OVER = "over"
    RESTARTED = "restarted"
    NOT_ASKED = "not_asked"
    RULES_CHANGED = "rules_changed"
    REFERENCE_CHANGED = "reference_changed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class EventTrack:
    """An object of an event.

    Attributes:
        id: of the track.
        label: of the track.
        confidence: in [0, 1].
        bbox: x1, y1, x2, y2 as shares of the image.
        position_m: in the frame of positions; None where there is none.
        text: what is written on it; None where nothing was read.
        text_confidence: of the text, in [0, 1].
    """

    id: int
    label: str
    confidence: float
    bbox: tuple[float, float, float, float]
    position_m: tuple[float, float, float] | None = None
    text: str | None = None
    text_confidence: float = 0.0

    @classmethod
    def of(cls, facts: Facts, row: int) -> EventTrack:
        """Return a track of a frame."""
        tracks, place = facts.tracks, facts.moment.xyz[row]
        (x1, y1, x2, y2), (width, height) = tracks.xyxy_px[row].tolist(), tracks.wh
        box = (x1 / width, y1 / height, x2 / width, y2 / height)
        where = None if place[0] != place[0] else tuple(round(v, 4) for v in place.tolist())
        read = facts.text(row)
        return cls(
            int(tracks.ids[row]),
            tracks.labels[row],
            round(float(tracks.scores[row]), 4),
            tuple(round(min(max(value, 0.0), 1.0), 5) for value in box),
            where,
            *(() if read is None else (read.text, round(read.confidence, 4))),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of a track."""
        place = None if self.position_m is None else list(self.position_m)
        document = {
            "id": self.id,
            "label": self.label,
            "confidence": self.confidence,
            "bbox": list(self.bbox),
            "position_m": place,
        }
        if self.text is not None:
            document |= {"text": self.text, "text_confidence": self.text_confidence}
        return document


@dataclass(frozen=True)
class Event:
    """One message about an event.

    Attributes:
        id: of the event; the same in all its messages, and in no other's of this process.
        rule: its name.
        kind: of the rule.
        state: begin, update or end.
        reason: why it ended; None before.
        stamp_ns: of the frame at which this was found.
        begin_ns: of the frame at which it began.
        evidence_ns: of the newest usable answer; None before the first.
        frame_id, camera: of the frame.
        position_frame: frame_id of the tracks' positions; "" where there are none.
        zone: name of the rule's zone; "" for the whole image.
        probability: that the rule holds, in [0, 1].
        value: what was measured, in ``unit``; None where nothing is.
        unit: of the value.
        tracks: the objects.
        snapshot: file name of the stored image of the frame at which it began; "" where none is.
    """

    id: str
    rule: str
    kind: Kind
    state: EventState
    reason: EndReason | None
    stamp_ns: int
    begin_ns: int
    evidence_ns: int | None
    frame_id: str
    camera: str
    position_frame: str
    zone: str
    probability: float
    value: float | None
    unit: str
    tracks: tuple[EventTrack, ...]
    snapshot: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``events`` (schema ``lfmvl/event/1``)."""
        evidence = None if self.evidence_ns is None else stamp_document(self.evidence_ns)
        return {
            "schema": SCHEMA,
            "id": self.id,
            "rule": self.rule,
            "when": self.kind.value,
            "state": self.state.value,
            "reason": None if self.reason is None else self.reason.value,
            "stamp": stamp_document(self.stamp_ns),
            "begin_stamp": stamp_document(self.begin_ns),
            "evidence_stamp": evidence,
            "frame_id": self.frame_id,
            "camera": self.camera,
            "position_frame": self.position_frame,
            "zone": self.zone,
            "probability": round(self.probability, 4),
            "value": None if self.value is None else round(self.value, 4),
            "unit": self.unit,
            "tracks": [track.to_dict() for track in self.tracks],
            "snapshot": self.snapshot,
        }
