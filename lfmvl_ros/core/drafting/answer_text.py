# SPDX-License-Identifier: Apache-2.0
"""Splits an answer into boxes and the text between them, and describes an expected answer.

A box is four numbers in brackets, as in JSON with any spacing and keys. Unlike parsing, this loses
no character: an answer can be put together again, also with other numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray

NUMBER = r"-?\d{1,12}(?:\.\d{1,12})?"
_BOX = re.compile(
    rf"[\[(]\s*({NUMBER})(\s*,\s*)({NUMBER})(\s*,\s*)({NUMBER})(\s*,\s*)({NUMBER})(?=\s*[\])])"
)


@dataclass(frozen=True)
class Piece:
    """One box of an answer, as printed.

    Attributes:
        lead: everything between the box before and the first number, the bracket included.
        numbers: the four numbers; gaps: the text between them.
    """

    lead: str
    numbers: tuple[str, str, str, str]
    gaps: tuple[str, str, str]

    @property
    def key(self) -> str:
        """The part of ``lead`` that belongs to this object: label and keys."""
        return self.lead[max(0, self.lead.rfind("{")) :]

    @property
    def separator(self) -> str:
        """The part of ``lead`` that ends the object before, or opens the list."""
        return self.lead[: max(0, self.lead.rfind("{"))]

    @property
    def decimals(self) -> int:
        """The largest number of decimals among the four."""
        return max(len(number.partition(".")[2]) for number in self.numbers)

    @property
    def values(self) -> tuple[float, float, float, float]:
        """The numbers."""
        a, b, c, d = (float(number) for number in self.numbers)
        return a, b, c, d


def split_answer(text: str) -> tuple[list[Piece], str]:
    """Return the boxes of an answer, and the text after the last one (all of it without boxes).

    >>> pieces, tail = split_answer('[{"label": "tote", "bbox": [0.1, 0.2, 0.3, 0.4]}]')
    >>> pieces[0].key, tail
    ('{"label": "tote", "bbox": [', ']}]')
    """
    pieces, start = [], 0
    for match in _BOX.finditer(text):
        a, gap1, b, gap2, c, gap3, d = match.groups()
        pieces.append(Piece(text[start : match.start(1)], (a, b, c, d), (gap1, gap2, gap3)))
        start = match.end()
    return pieces, text[start:]


def join_answer(pieces: Sequence[Piece], tail: str) -> str:
    """Return the text that :func:`split_answer` was given."""
    parts: list[str] = []
    for piece in pieces:
        parts.append(piece.lead)
        for number, gap in zip(piece.numbers, (*piece.gaps, ""), strict=True):
            parts += [number, gap]
    return "".join([*parts, tail])


@dataclass(frozen=True, eq=False)
class Hint:
    """What an answer is expected to be.

    Attributes:
        text: a whole answer in the model's own style, e.g. its previous one.
        boxes: ``(N, 4)`` expected box of each object in ``text``, in the unit of ``text`` but not
            rounded.

    Raises:
        ValueError: not one row for each box in ``text``.
    """

    text: str
    boxes: FloatArray

    def __post_init__(self) -> None:
        count = len(split_answer(self.text)[0])
        if self.boxes.shape != (count, 4) or not np.isfinite(self.boxes).all():
            raise ValueError(
                f"Hint.boxes must be finite ({count}, 4), one row for each box in the text, "
                f"got {self.boxes.shape}"
            )

    @classmethod
    def as_printed(cls, text: str) -> Hint:
        """Expect the same answer once more."""
        boxes = [piece.values for piece in split_answer(text)[0]]
        return cls(text, np.array(boxes, dtype=np.float64).reshape(-1, 4))
