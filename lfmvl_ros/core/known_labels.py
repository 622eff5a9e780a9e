# SPDX-License-Identifier: Apache-2.0
"""The labels a checkpoint was trained to find, where its card lists them.

A small model that was trained on a list of labels answers ``[]`` to all others, which looks the
same as "nothing there". So a query with labels that the card does not list gives a warning, with
the nearest listed ones.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lfmvl_ros.core.same_label import fold_label

_NEAREST, _SHOWN = 3, 14
_ALIKE = 0.6  # difflib's ratio from which two spellings count as near


@dataclass(frozen=True)
class KnownLabels:
    """What a card lists.

    Attributes:
        labels: in any language; compared by :func:`~lfmvl_ros.core.same_label.fold_label`.
        qualifiers: words that may stand in front of each of them, such as colours.

    >>> known = KnownLabels(("cardboard box", "person"), ("red",))
    >>> known.unlisted(["Red cardboard box", "person in red", "suitcase"])
    ('suitcase',)
    >>> known.nearest("carton box")
    ('cardboard box',)
    """

    labels: tuple[str, ...]
    qualifiers: tuple[str, ...] = ()

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {fold_label(label): label for label in reversed(self.labels)}

    def unlisted(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``labels`` that the card does not list, with qualifiers or without."""
        return tuple(label for label in labels if not self._lists(label))

    def nearest(self, label: str) -> tuple[str, ...]:
        """Return up to three listed labels that share a word with ``label`` or look like it."""
        plain = self._unqualified(label) or fold_label(label)
        words = set(plain.split())
        shared = [known for known in self._folded if words & set(known.split())]
        alike = difflib.get_close_matches(plain, self._folded, _NEAREST, _ALIKE)
        found = dict.fromkeys((*alike, *sorted(shared, key=len)))
        return tuple(self._folded[known] for known in found)[:_NEAREST]

    def remark(self, labels: Iterable[str], model: str) -> str:
        """Return a sentence on those that are not listed, for a person; "" when all are."""
        unlisted = self.unlisted(labels)
        if not unlisted:
            return ""
        named = []
        for label in unlisted:
            near = self.nearest(label)
            named.append(f"{label!r}" + (f" (nearest: {', '.join(near)})" if near else ""))
        shown = ", ".join(self.labels[:_SHOWN]) + (", ..." if len(self.labels) > _SHOWN else "")
        return (
            f"the card of {model} does not list {', '.join(named)}; it may never find that. "
            f"It lists {shown}"
        )

    def _lists(self, label: str) -> bool:
        return fold_label(label) in self._folded or self._unqualified(label) in self._folded

    def _unqualified(self, label: str) -> str:
        """Return the label without qualifiers: "red box" and "person in red" lose the colour."""
        dropped, kept = {fold_label(word) for word in self.qualifiers}, []
        for word in fold_label(label).split():
            if word not in dropped:
                kept.append(word)
            elif kept and kept[-1] == "in":
                kept.pop()
        return " ".join(kept)
