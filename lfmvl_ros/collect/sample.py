# SPDX-License-Identifier: Apache-2.0
"""One stored answer: which answers are selected, and what is stored of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import parse_json

SCHEMA = "lfmvl/sample/1"
_USABLE = (Outcome.OK, Outcome.REPAIRED, Outcome.EMPTY)
_QUALITY = 90
OWN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\.jpg")
"""How the files of samples are called."""
_ADDED = frozenset({"id", "file_name", "bytes", "stored_s"})  # what a folder adds to the facts
_LARGEST = 1e9  # px
_ODD = re.compile(r"[^A-Za-z0-9_]")
_LONGEST_CAMERA = 60


@dataclass(frozen=True)
class Sample:
    """An image and what a model answered about it.

    Attributes:
        name: file name of the image, without a folder.
        jpeg: the image.
        facts: JSON: ``width``, ``height``, ``stamp_ns``, ``camera``, ``query``, ``model``,
            ``reason``, and ``objects`` with ``label``, ``bbox`` (x, y, width, height in px) and
            ``score``.
    """

    name: str
    jpeg: bytes
    facts: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Return all of it as bytes: a line of JSON, then the image."""
        head = json_text({"schema": SCHEMA, "name": self.name, **self.facts})
        return head.encode() + b"\n" + self.jpeg

    @classmethod
    def from_bytes(cls, data: bytes) -> Sample:
        """Read what :meth:`to_bytes` has written.

        Raises:
            ValueError: it is something else.
        """
        head, _, jpeg = data.partition(b"\n")
        facts = parse_json(head.decode())
        if not isinstance(facts, dict) or facts.pop("schema", "") != SCHEMA:
            raise ValueError("it is not a sample")
        name = facts.pop("name", None)
        if not isinstance(name, str) or not OWN_NAME.fullmatch(name) or not jpeg:
            raise ValueError("it is a sample without a proper name or image")
        _check_facts(facts)
        return cls(name, jpeg, facts)


def _check_facts(facts: dict[str, Any]) -> None:
    """Raise ValueError where the facts are not those of :class:`Sample`."""
    labels, objects = facts.get("labels", []), facts.get("objects")
    if _ADDED & set(facts):
        raise ValueError(f"it is a sample with {', '.join(sorted(_ADDED & set(facts)))}")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels is not a list of texts")
    if not isinstance(objects, list):
        raise ValueError("objects is not a list")
    for each in objects:
        if not isinstance(each, dict) or not isinstance(each.get("label"), str):
            raise ValueError("an object has no label")
        box = each.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError("an object has no bbox")
        if not all(is_number(value, _LARGEST) for value in (*box, each.get("score"))):
            raise ValueError("an object has a bbox or a score that is not a number")


def reason_for(grounding: Grounding, settings: CollectSettings, *, drifting: bool) -> str:
    """Return why an answer is worth storing: ``uncertain`` or ``drift``; "" where it is not.

    Answers that failed or were cut off, and those about a part of the image, are not: their boxes
    are not a useful start for labels.
    """
    if grounding.outcome not in _USABLE or grounding.region is not None:
        return ""
    scores = grounding.detections.scores
    known = grounding.confidence_kind != "constant" and len(scores)
    if known and float(scores.min()) < settings.below_confidence:
        return "uncertain"
    return "drift" if drifting else ""


def sample_of(answer: Answer, reason: str) -> Sample | None:
    """Return a sample of an answer; None where its image is not kept.

    Raises:
        UserError: its image can't be a JPEG.
    """
    grounding, frame = answer.grounding, answer.frame
    if frame is None:
        return None
    model = grounding.reply.model
    return sample_from(frame, grounding.detections, grounding.query, model, reason)


class Boxes(Protocol):
    """N boxes on an image: detections, or tracks at its time."""

    @property
    def labels(self) -> tuple[str, ...]:
        """N labels."""

    @property
    def xyxy_px(self) -> FloatArray:
        """``(N, 4)`` px."""

    @property
    def scores(self) -> FloatArray:
        """``(N,)`` in [0, 1]."""


def sample_from(
    frame: Frame, found: Boxes, query: Query, model: str, reason: str, name: str = ""
) -> Sample:
    """Return a sample of an image and the boxes on it; by default with :func:`name_for` it.

    Raises:
        UserError: the image can't be a JPEG.
    """
    try:
        jpeg = encode_jpeg(frame.pixels, _QUALITY)
    except ValueError as error:
        raise UserError(str(error)) from error
    objects = [
        {
            "label": label,
            "bbox": [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)],
            "score": round(score, 4),
        }
        for label, (x1, y1, x2, y2), score in zip(
            found.labels, found.xyxy_px.tolist(), found.scores.tolist(), strict=True
        )
    ]
    facts = {
        "width": frame.wh[0], "height": frame.wh[1], "stamp_ns": frame.stamp_ns,
        "camera": frame.camera, "query": query.text, "labels": list(query.labels), "model": model,
        "reason": reason, "objects": objects,
    }  # fmt: skip
    return Sample(name or name_for(frame), jpeg, facts)


def name_for(frame: Frame, number: int = 1) -> str:
    """Return the file name of a frame's image: one for each camera and stamp.

    Args:
        frame: whose image is stored.
        number: from 1 on; of the images of one stamp, as time may start again.

    >>> import numpy as np
    >>> frame = Frame(np.zeros((2, 2, 3), np.uint8), 1_500_000_000, camera="left/top")
    >>> name_for(frame), name_for(frame, 2)
    ('left-top_1500000000.jpg', 'left-top-2_1500000000.jpg')
    """
    # A camera's name has no hyphen, so left/top and left_top, and left and its second, differ.
    camera = _ODD.sub("-", frame.camera).strip("-") or "camera"
    if len(camera) > _LONGEST_CAMERA:
        camera = f"{camera[:_LONGEST_CAMERA]}-{sha256(frame.camera.encode()).hexdigest()[:8]}"
    return f"{camera}{f'-{number}' if number > 1 else ''}_{frame.stamp_ns}.jpg"
