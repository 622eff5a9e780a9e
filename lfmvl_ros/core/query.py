# SPDX-License-Identifier: Apache-2.0
"""The query: what to find, in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import safe_text, shortened
from lfmvl_ros.core.same_label import fold_label

MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 120
# A full stop between spaces separates, too, as in the prompts of GroundingDINO.
_SEPARATORS = re.compile(r"[,;\n\r\x0b\x0c\x85\u2028\u2029、，；،]+|(?:^|(?<=\s))\.(?=\s|$)")


@dataclass(frozen=True)
class Query:
    """Labels in the user's own words, and a version that grows with each change.

    Attributes:
        labels: 1 to 64 phrases of 1 to 120 characters, unique, in the order given, each as
            :func:`~lfmvl_ros.core.safe_text.safe_text` returns it.
        version: 1 for the first query; an answer has the version of its query.

    >>> Query.parse("red tote, person without a vest").labels
    ('red tote', 'person without a vest')
    """

    labels: tuple[str, ...]
    version: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.labels) <= MAX_LABELS:
            raise ValueError(f"a Query takes 1 to {MAX_LABELS} labels, got {len(self.labels)}")
        for label in self.labels:
            if not label.strip() or len(label) > MAX_LABEL_CHARACTERS:
                raise ValueError(
                    f"a label takes 1 to {MAX_LABEL_CHARACTERS} characters, got {label[:40]!r}"
                )
            if label != safe_text(label):
                raise ValueError(f"a label takes visible characters on one line, got {label!r}")
        if len({fold_label(label) for label in self.labels}) != len(self.labels):
            raise ValueError(f"labels must be unique, got {self.labels}")
        if self.version < 1:
            raise ValueError(f"Query.version starts at 1, got {self.version}")

    @classmethod
    def of_labels(cls, texts: Sequence[str]) -> Query:
        """Return the query for labels that are already apart: those of a rules file, of a command.

        Raises:
            UserError: one of them is not what :meth:`parse` would take as one label, or there are
                too many.
        """
        for text in texts:
            if len(found := cls.parse(text).labels) > 1:
                raise UserError(
                    f"{shortened(text, 80)!r} is {len(found)} labels, separated as in a query; "
                    "write a list of labels"
                )
        return cls.parse(",".join(texts))

    @classmethod
    def parse(cls, text: str, version: int = 1, what: str = "the query") -> Query:
        """Split ``text`` at commas, semicolons, line ends (also the CJK and Arabic ones) and " . ".

        Repeated labels (:func:`~lfmvl_ros.core.same_label.fold_label`) are kept once; inner white
        space is folded; accents are combined with their letters (Unicode's NFC), as in the models'
        training data. Invisible characters, such as control characters, are removed
        (:mod:`lfmvl_ros.core.safe_text`).

        Args:
            text: with the labels.
            version: of the query.
            what: names what holds the labels, for the message.

        Raises:
            UserError: nothing is left, or there are too many or too long labels.
        """
        labels: dict[str, str] = {}
        # Split again without invisible characters: one may have stood between a stop and a space,
        # or between a letter and its accent.
        visible = " , ".join(map(safe_text, _SEPARATORS.split(text)))
        for part in _SEPARATORS.split(unicodedata.normalize("NFC", visible)):
            if label := safe_text(part):
                labels.setdefault(fold_label(label), label)
        if not labels:
            raise UserError(
                f"{what} is empty (got {text!r}); name what to find, for example 'red tote, person'"
            )
        try:
            return cls(tuple(labels.values()), version)
        except ValueError as error:
            raise UserError(f"{what} can't be used: {error}; shorten it") from error

    @property
    def text(self) -> str:
        """The labels as one line, as the prompt shows them."""
        return ", ".join(self.labels)

    def lacks(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``labels`` that the query does not name; empty texts are no labels.

        >>> Query.parse("red tote, person").lacks(["a Person", "crate", ""])
        ('crate',)
        """
        asked = {fold_label(label) for label in self.labels}
        return tuple(label for label in labels if label and fold_label(label) not in asked)

    def with_labels_of(self, text: str) -> Query:
        """Return the query with new labels and the next version; ``self`` if nothing changes."""
        changed = Query.parse(text, self.version + 1)
        return self if changed.labels == self.labels else changed


def labels_of_setting(texts: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the labels of a setting that is a list of labels; ``("",)`` if it names none.

    An empty list has no type of its own in ROS, so an empty text stands for it.

    Args:
        texts: each a label, or several as in a query.
        what: the setting's name, for the message.

    Raises:
        UserError: one of them can't be a label, or there are too many.
    """
    named = [text for text in texts if text]
    for text in named:
        Query.parse(text, what=f"{what}: a label")
    return Query.parse(", ".join(named), what=what).labels if named else ("",)
