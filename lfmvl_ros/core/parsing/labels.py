# SPDX-License-Identifier: Apache-2.0
"""Labels recognised as one of the query's, however the model spells them."""

from __future__ import annotations

import re

from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS, Query
from lfmvl_ros.core.same_label import fold_label

_GAP_CHARACTERS = 200
_NUMBERED = re.compile(r"[ #]+\d{1,3}$")
_PLURAL = (("boxes", "box"), ("shes", "sh"), ("ches", "ch"), ("sses", "ss"), ("people", "person"))


def word_list(text: str) -> tuple[str, ...]:
    """Return the words of ``text``: tables of words read best as running text."""
    return tuple(text.split())


class LabelMatcher:
    """Recognises a query's labels in a model's spelling, so that an object keeps one label.

    An exact match comes first; then one by :func:`~lfmvl_ros.core.same_label.fold_label`; then one
    that also ignores an English plural or a number at the end.

    >>> LabelMatcher(Query.parse("red tote, person")).match("Red_Totes")
    ('red tote', True)
    >>> LabelMatcher(Query.parse("red tote, person")).match("forklift")
    ('forklift', False)
    """

    def __init__(self, query: Query) -> None:
        self.labels = query.labels
        self._as_compared = [(fold_label(label), label) for label in query.labels]
        self._folded: dict[str, str] = {}
        for fold in (fold_label, fold_loosely):
            for label in query.labels:
                self._folded.setdefault(fold(label), label)

    def match(self, label: str) -> tuple[str, bool]:
        """Return the label in the query's spelling and True, or as it is and False."""
        if label in self.labels:
            return label, True
        known = self._folded.get(fold_label(label)) or self._folded.get(fold_loosely(label))
        return (known, True) if known else (label, False)

    @property
    def only(self) -> str | None:
        """The query's label when it has a single one."""
        return self.labels[0] if len(self.labels) == 1 else None

    def last_named(self, text: str) -> str | None:
        """Return the label of the query that ``text`` names last; None when it names none."""
        tail = fold_label(text[-_GAP_CHARACTERS:])
        found = [(tail.rfind(folded), len(label), label) for folded, label in self._as_compared]
        at = [item for item in found if item[0] >= 0]
        return max(at)[2] if at else None


def is_too_long(label: str) -> bool:
    """Return True for what can't be a label: no query takes that many characters."""
    return len(label) > MAX_LABEL_CHARACTERS


def fold_loosely(label: str) -> str:
    """Return a label as it is compared, also without an English plural or a number at the end."""
    folded = _NUMBERED.sub("", fold_label(label))
    for plural, singular in _PLURAL:
        if folded.endswith(plural):
            return folded[: -len(plural)] + singular
    if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss"):
        return folded[:-1]
    return folded
