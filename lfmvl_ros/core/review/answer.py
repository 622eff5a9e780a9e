# SPDX-License-Identifier: Apache-2.0
"""A person's answer to an item."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import documents
from lfmvl_ros.core.review.documents import Box
from lfmvl_ros.core.safe_text import shown_value

SCHEMA = "lfmvl/review_answer/1"
MAX_CHARACTERS = 4096


class ReviewVerdict(str, Enum):
    """The kinds of answer.

    ``yes``: the event is right. ``no``: the object is not there. ``wrong_label``: another object is
    there. ``box``: the event is right, but the box is not.
    """

    YES = "yes"
    NO = "no"
    WRONG_LABEL = "wrong_label"
    BOX = "box"

    @property
    def confirms(self) -> bool:
        """True where the event may be published."""
        return self in (ReviewVerdict.YES, ReviewVerdict.BOX)


@dataclass(frozen=True)
class ReviewAnswer:
    """An answer about one item.

    Attributes:
        id: of the item.
        verdict: kind of the answer.
        label: with ``wrong_label``: the right one; "" if it was not given.
        bbox: with ``box``: x1, y1, x2, y2 as shares of the whole image; None otherwise.

    Raises:
        UserError: a field does not go with the verdict.
    """

    id: str
    verdict: ReviewVerdict
    label: str = ""
    bbox: Box | None = None

    def __post_init__(self) -> None:
        if (self.bbox is not None) != (self.verdict is ReviewVerdict.BOX):
            raise UserError("bbox is allowed with verdict box only")
        if self.label and self.verdict is not ReviewVerdict.WRONG_LABEL:
            raise UserError("label is allowed with verdict wrong_label only")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``review_answers``."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "verdict": self.verdict.value,
            "label": self.label,
            "bbox": None if self.bbox is None else list(self.bbox),
        }


def read_answer(text: str) -> ReviewAnswer:
    """Return the answer of a JSON document.

    Raises:
        UserError: it is not valid; the message says why.
    """
    document = documents.read_object(text, SCHEMA, MAX_CHARACTERS)
    word = document.get("verdict")
    known = [verdict.value for verdict in ReviewVerdict]
    if word not in known:
        raise UserError(f"verdict must be one of {', '.join(known)}, got {shown_value(word)}")
    found = document.get("bbox")
    return ReviewAnswer(
        documents.item_id(document),
        ReviewVerdict(word),
        documents.text(document, "label") if "label" in document else "",
        None if found is None else documents.box(found, "bbox"),
    )
