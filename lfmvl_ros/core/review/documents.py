# SPDX-License-Identifier: Apache-2.0
"""Reads fields of JSON documents that any node, or any page, may have written."""

from __future__ import annotations

import re
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import safe_text, shown_value
from lfmvl_ros.core.user_files import parse_json

Box = tuple[float, float, float, float]

_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
MAX_TEXT = 200


def read_object(text: str, schema: str, max_characters: int) -> dict[str, Any]:
    """Return a document of a schema.

    Raises:
        UserError: it is too long, no JSON object, or of another schema.
    """
    if len(text) > max_characters:
        raise UserError(f"it has {len(text):,} characters; at most {max_characters:,} are read")
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UserError(f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise UserError("it is not a JSON object")
    if document.get("schema") != schema:
        raise UserError(f"expected schema {schema}, got {shown_value(document.get('schema'))}")
    return document


def item_id(document: dict[str, Any]) -> str:
    """Return the id of an item; a :class:`UserError` if it is not valid."""
    found = document.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise UserError(f"id must have 16 digits 0-9a-f, got {shown_value(found)}")
    return found


def text(document: dict[str, Any], key: str) -> str:
    """Return a text, safe to show; a :class:`UserError` if it is not a text, or too long."""
    found = document.get(key)
    if not isinstance(found, str) or len(found) > MAX_TEXT:
        raise UserError(f"{key} must be a text of at most {MAX_TEXT} characters")
    return safe_text(found)


def number(document: dict[str, Any], key: str, low: float, high: float) -> float:
    """Return a number of a range; a :class:`UserError` if it is not valid."""
    found = document.get(key)
    if not is_number(found) or not low <= found <= high:
        raise UserError(
            f"{key} must be a number from {low:g} to {high:g}, got {shown_value(found)}"
        )
    return float(found)


def box(found: Any, key: str) -> Box:
    """Return x1, y1, x2, y2, shares of an image with x1 < x2 and y1 < y2.

    Raises:
        UserError: it is not valid.
    """
    right = isinstance(found, (list, tuple)) and len(found) == 4 and all(map(_is_share, found))
    if not right or not (found[0] < found[2] and found[1] < found[3]):
        raise UserError(
            f"{key} must be x1, y1, x2, y2 in 0 to 1 with x1 < x2 and y1 < y2, "
            f"got {shown_value(found)}"
        )
    x1, y1, x2, y2 = map(float, found)
    return x1, y1, x2, y2


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1
