# SPDX-License-Identifier: Apache-2.0
"""One object as it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.image_words import ago, part_of_image
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.timeline import stamp_document

Box = tuple[float, float, float, float]
_LATEST_UNIX_S = 253_402_300_800.0  # the year 10000


@dataclass(frozen=True)
class Sighting:
    """Where and when an object was last seen.

    Attributes:
        label: label of its track.
        run: random id of the node's process; track ids are unique within a run and a camera.
        camera: name; "" when there is only one.
        track: id of its track.
        stamp_ns: of the image.
        seen_unix_s: when it was recorded, seconds since 1970 by the clock of the node's machine.
        confidence: in [0, 1].
        bbox: x1, y1, x2, y2 as shares of the image.
        position_m: in ``frame_id``; None where there was none.
        frame_id: of the position; "" without one.
        jpeg: the part of the image around the object, as JPEG; empty if none is kept.

    Raises:
        ValueError: a value is of another type, not finite, or too large for a time.
    """

    label: str
    run: str
    camera: str
    track: int
    stamp_ns: int
    seen_unix_s: float
    confidence: float
    bbox: Box
    position_m: tuple[float, float, float] | None = None
    frame_id: str = ""
    jpeg: bytes = b""

    def __post_init__(self) -> None:
        for name in ("label", "run", "camera", "frame_id"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is not a text")
        if not isinstance(self.jpeg, bytes):
            raise ValueError("jpeg is not bytes")
        if not isinstance(self.track, int) or not isinstance(self.stamp_ns, int):
            raise ValueError("track or stamp_ns is not a whole number")
        if (self.position_m is None) != (not self.frame_id):
            raise ValueError("position_m and frame_id go together")
        numbers = (self.confidence, *self.bbox, *(self.position_m or ()))
        if not all(is_number(value) for value in (self.seen_unix_s, *numbers)):
            raise ValueError("a time, confidence, box or position is not a number")
        if not 0 <= self.seen_unix_s <= _LATEST_UNIX_S:
            raise ValueError(f"seen_unix_s is from 0 to {_LATEST_UNIX_S:.0f}")

    def in_words(self, now_unix_s: float) -> str:
        """Return where it was last seen, for people."""
        text = f"{self.label}, {ago(now_unix_s - self.seen_unix_s)}"
        text += f", {part_of_image(self.bbox)} of the image"
        text += f" of {self.camera}" if self.camera else ""
        if self.position_m is not None:
            x_m, y_m, z_m = self.position_m
            text += f", at {x_m:.2f}, {y_m:.2f}, {z_m:.2f} m in {self.frame_id}"
        return text

    def to_dict(self, now_unix_s: float) -> dict[str, Any]:
        """Return it as JSON, without the image."""
        position = None if self.position_m is None else list(self.position_m)
        return {
            "label": self.label,
            "camera": self.camera,
            "id": self.track,
            "seconds_ago": round(max(now_unix_s - self.seen_unix_s, 0.0), 1),
            "seen_unix_s": round(self.seen_unix_s, 3),
            "stamp": stamp_document(self.stamp_ns),
            "confidence": round(self.confidence, 4),
            "bbox": list(self.bbox),
            "position": position,
            "frame_id": self.frame_id,
        }
