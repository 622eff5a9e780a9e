# SPDX-License-Identifier: Apache-2.0
"""What a person is asked about: an event that is held, with a crop of the image."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.encoded_images import JPEG, encoded_wh
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import documents
from lfmvl_ros.core.review.documents import Box
from lfmvl_ros.core.timeline import stamp_document

SCHEMA = "lfmvl/review/1"
MAX_CHARACTERS = 4 << 20
MAX_SIDE_PX = 4096


@dataclass(frozen=True)
class ReviewItem:
    """An event that is held until somebody answers.

    Attributes:
        id: of the item, 16 digits 0-9a-f; never used again.
        rule, when: name and kind of the rule.
        zone: name of its zone; "" for the whole image.
        label: of the object that is asked about; "" where the event has none (an absence).
        confidence: of that object, in [0, 1]; None without one.
        bbox: its box, x1, y1, x2, y2 as shares of the whole image; None without one.
        crop: part of the image that is shown, x1, y1, x2, y2 as shares of the image.
        stamp_ns: of the frame.
        camera: name of its camera; "" when there is only one.
        asked_unix_s: when it was asked, seconds since 1970 of the node's machine.
        timeout_s: how long the event is held.
        unanswered: what becomes of it then, ``drop`` or ``publish``.
        jpeg: the crop as JPEG.
    """

    id: str
    rule: str
    when: str
    zone: str
    label: str
    confidence: float | None
    bbox: Box | None
    crop: Box
    stamp_ns: int
    camera: str
    asked_unix_s: float
    timeout_s: float
    unanswered: str
    jpeg: bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``review`` (schema ``lfmvl/review/1``)."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "state": "asked",
            "rule": self.rule,
            "when": self.when,
            "zone": self.zone,
            "label": self.label,
            "confidence": self.confidence,
            "bbox": None if self.bbox is None else list(self.bbox),
            "crop": list(self.crop),
            "stamp": stamp_document(self.stamp_ns),
            "camera": self.camera,
            "asked_unix_s": round(self.asked_unix_s, 3),
            "timeout_s": self.timeout_s,
            "unanswered": self.unanswered,
            "jpeg": base64.b64encode(self.jpeg).decode("ascii"),
        }


@dataclass(frozen=True)
class Settlement:
    """The message on ``review`` that an item is no longer held, as a subscriber reads it.

    Attributes:
        id: of the item.
        outcome: why it is no longer held.
        published: whether its event was published.
    """

    id: str
    outcome: str
    published: bool


def read_item(text: str) -> ReviewItem | Settlement:
    """Return the content of a JSON document of topic ``review``.

    Raises:
        UserError: it is not valid; the message says why.
    """
    document = documents.read_object(text, SCHEMA, MAX_CHARACTERS)
    state = document.get("state")
    if state == "settled":
        published = document.get("published")
        if not isinstance(published, bool):
            raise UserError("published must be true or false")
        return Settlement(
            documents.item_id(document), documents.text(document, "outcome"), published
        )
    if state != "asked":
        raise UserError("state must be asked or settled")
    has_box = document.get("bbox") is not None
    return ReviewItem(
        documents.item_id(document),
        documents.text(document, "rule"),
        documents.text(document, "when"),
        documents.text(document, "zone"),
        documents.text(document, "label"),
        documents.number(document, "confidence", 0, 1) if has_box else None,
        documents.box(document["bbox"], "bbox") if has_box else None,
        documents.box(document.get("crop"), "crop"),
        _stamp_ns(document.get("stamp")),
        documents.text(document, "camera"),
        documents.number(document, "asked_unix_s", 0, 1e11),
        documents.number(document, "timeout_s", 0, 86400),
        documents.text(document, "unanswered"),
        _jpeg(document.get("jpeg")),
    )


def _stamp_ns(stamp: Any) -> int:
    if not isinstance(stamp, dict):
        raise UserError("stamp must have sec and nanosec")
    return int(documents.number(stamp, "sec", 0, 1e11)) * 10**9 + int(
        documents.number(stamp, "nanosec", 0, 999_999_999)
    )


def _jpeg(found: Any) -> bytes:
    try:
        data = base64.b64decode(found, validate=True) if isinstance(found, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    wh = encoded_wh(data) if data.startswith(JPEG) else None
    if wh is None or not 0 < min(wh) <= max(wh) <= MAX_SIDE_PX:
        raise UserError(f"jpeg must be a JPEG of at most {MAX_SIDE_PX} px a side, in base64")
    return data
