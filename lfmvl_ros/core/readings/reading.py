# SPDX-License-Identifier: Apache-2.0
"""What was read: in one crop, and of one track."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.timeline import stamp_document

SCHEMA = "lfmvl/reading/1"


def text_key(text: str) -> str:
    """Return what two readings of the same text have in common.

    Compatibility forms (full-width letters, ligatures) and the kinds of hyphens and spaces are what
    readers confuse without being wrong; upper and lower case, and all other characters, count.

    >>> text_key("LOT 12\u20107") == text_key("LOT12-7")
    True
    """
    folded = unicodedata.normalize("NFKC", text)
    return "".join(
        "-" if unicodedata.category(character) == "Pd" or character == "\u2212" else character
        for character in folded
        if not character.isspace()
    )


@dataclass(frozen=True)
class ReadLine:
    """A line of text in a crop.

    Attributes:
        text: as it was read, on one line.
        confidence: the reader's probability that all of its characters are right, in [0, 1].
        limit: highest confidence of this text, however often it is read like this: below 1 where
            the image shows too little of it.

    Raises:
        ValueError: the confidence or the limit is not in that range.
    """

    text: str
    confidence: float
    limit: float = 1.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.confidence <= 1.0 and 0.0 <= self.limit <= 1.0):
            raise ValueError(
                "ReadLine.confidence and ReadLine.limit must lie in [0, 1], got "
                f"{self.confidence} and {self.limit}"
            )


@dataclass(frozen=True)
class CropReading:
    """What a reader found in one crop.

    Attributes:
        lines: in reading order; none where no text was found.
        stamp_ns: of the image that the crop is from.
    """

    lines: tuple[ReadLine, ...] = ()
    stamp_ns: int = 0


class TextReader(Protocol):
    """Reads the text in an image. Used by one thread at a time."""

    name: str

    def read(self, pixels: NDArray[np.uint8], attempt: int = 0) -> tuple[ReadLine, ...]:
        """Return the lines of text in an image, in reading order; they may run in any direction.

        Args:
            pixels: ``(H, W, 3)`` uint8, RGB.
            attempt: how often this object was read before: the image is sampled in another way
                each time, as a camera that stands still would repeat its errors otherwise.
        """
        ...


@dataclass(frozen=True)
class TrackText:
    """What is written on a tracked object, as all readings of it say.

    Attributes:
        id: of the track.
        label: of the track when it was read.
        text: its lines, with a space between; "" where nothing was read.
        confidence: that ``text`` is what is written there, in [0, 1]: of the least certain line.
        lines: with the confidence of each.
        readings: how many crops were read.
        evidence_ns: stamps of the images in which all of the text was read like this; ascending.
        stamp_ns: of the newest image that was read.
        bbox: x1, y1, x2, y2 of the object in that image, as shares of its width and height.
        frame_id, camera: of the images.
    """

    id: int
    label: str
    text: str
    confidence: float
    lines: tuple[ReadLine, ...]
    readings: int
    evidence_ns: tuple[int, ...]
    stamp_ns: int
    bbox: tuple[float, float, float, float]
    frame_id: str = ""
    camera: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``readings`` (schema ``lfmvl/reading/1``)."""
        return {
            "schema": SCHEMA,
            "stamp": stamp_document(self.stamp_ns),
            "frame_id": self.frame_id,
            "camera": self.camera,
            "id": self.id,
            "label": self.label,
            "bbox": list(self.bbox),
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "lines": [
                {"text": line.text, "confidence": round(line.confidence, 4)} for line in self.lines
            ],
            "readings": self.readings,
            "evidence_stamps": [stamp_document(stamp_ns) for stamp_ns in self.evidence_ns],
        }

    def fields(self) -> dict[str, Any]:
        """Return what ``track_states``, events and commands say of it."""
        return {"text": self.text, "text_confidence": round(self.confidence, 4)}


Texts = Mapping[int, TrackText]
"""Track id -> what is written on its object; those that have something read."""


def text_of(texts: Texts, id_: int, label: str) -> TrackText | None:
    """Return the text of a track; None where nothing is read, or it was read under another label.

    Args:
        texts: by id.
        id_: of the track.
        label: of the track now.
    """
    found = texts.get(id_)
    return found if found is not None and found.label == label else None
