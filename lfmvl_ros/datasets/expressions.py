# SPDX-License-Identifier: Apache-2.0
"""Referring expressions: texts that are about one object of an image, as RefCOCO has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import neutralise
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.datasets.spelling import plain_text

FIELDS = ("referring_expressions", "sentences", "caption", "phrase")
"""Keys of an annotation that may hold some, beside ``bbox`` or in ``attributes``."""
UNUSABLE = "referring expressions that can't be asked for"
AMBIGUOUS = "referring expressions of two objects"
NO_TEXT = "referring expressions that are no text"
_IN_SENTENCE = ("sent", "raw", "sentence")  # RefCOCO's own, the first that is there


def expressions_of(annotation: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the expressions of an annotation as they are written, and how many are not text.

    >>> expressions_of({"sentences": [{"sent": "man in red", "raw": "Man in red."}]})
    (['man in red'], 0)
    >>> expressions_of({"attributes": {"caption": "the left crate"}, "phrase": ["crate by me", 3]})
    (['crate by me', 'the left crate'], 1)
    """
    found: list[object] = []
    attributes = annotation.get("attributes")
    for holder in (annotation, attributes if isinstance(attributes, dict) else {}):
        for field in FIELDS:
            found += _written(holder.get(field))
    texts = [plain_text(text) for text in found if isinstance(text, str)]
    return [text for text in texts if text.strip()], len(found) - len(texts)


def _written(value: object) -> Iterable[object]:
    """What a field holds, whether it is text or not; nothing where it is not given."""
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(item, dict):
            yield next((item[key] for key in _IN_SENTENCE if item.get(key)), None)
        else:
            yield item


def as_label(expression: str) -> str:
    """Return an expression as one label of a query: without what separates labels.

    >>> as_label("the man in red, left of the pallet")
    'the man in red left of the pallet'

    Raises:
        UserError: nothing of it can be asked for, or it is too long for a label.
    """
    parts = Query.parse(neutralise(expression)).labels
    return Query.of_labels([" ".join(parts)]).labels[0]


def usable_expressions(
    listed: Sequence[tuple[int, str]], kept: Sequence[bool]
) -> tuple[tuple[tuple[int, str], ...], list[str]]:
    """Return the expressions of an image that can be asked for, and a reason for each other one.

    Args:
        listed: row of a box, and an expression as it is written.
        kept: which boxes are used; expressions of others go with them.

    Returns:
        Row among the boxes that are kept, and expression as a label, each once; the reasons.
    """
    rows = {row: sum(kept[:row]) for row, used in enumerate(kept) if used}
    about: dict[str, set[int]] = {}
    texts: dict[str, str] = {}
    refused = []
    for row, written in listed:
        if row not in rows:
            continue
        try:
            text = as_label(written)
        except UserError:
            refused.append(UNUSABLE)
            continue
        about.setdefault(fold_label(text), set()).add(rows[row])
        texts.setdefault(fold_label(text), text)
    refused += [AMBIGUOUS for found in about.values() if len(found) > 1]
    used = [(min(found), texts[key]) for key, found in about.items() if len(found) == 1]
    return tuple(sorted(used, key=lambda item: item[0])), refused
