# SPDX-License-Identifier: Apache-2.0
"""Drafts the next text of an answer, for a decoder to verify.

A draft never changes an answer; it only saves time where it is right. So the rules here are
heuristics. They work on text, not tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.drafting.answer_text import NUMBER, Hint, Piece, split_answer

_WHOLE = re.compile(NUMBER)
_OPEN_BOX = re.compile(r"[\[(]\s*(-?\d[\d.,\s-]*)$")
_LABEL = re.compile(r'(.*?:\s*["\'])([^"\']*)(["\'].*)', re.DOTALL)
_LONGEST_ECHO, _SHORTEST_ECHO = 32, 3
_FAR = 0.4  # of a box's size: further from the expected box, it is another object


class AnswerDraft:
    """Predicts how an answer continues, from the text so far and the expected answer.

    Args:
        hint: the expected answer, if there is one.
        style: an earlier answer of the same model, for wording and spacing; "" without one.
        labels: of the query.
    """

    def __init__(self, hint: Hint | None, style: str = "", labels: Sequence[str] = ()) -> None:
        self._hint, self._labels = hint, tuple(labels)
        self._expected, self._tail = split_answer(hint.text) if hint is not None else ([], "")
        self._boxes = hint.boxes if hint is not None else np.zeros((0, 4))
        self._known: list[Piece] = []
        self._used: list[int | None] = []
        self._unit = bool((self._boxes <= 1.5).all())
        self._style, self._style_tail = split_answer(style)
        if self._expected:
            longer = len(self._expected) > 1 or len(self._style) < 2
            self._style = self._expected if longer else self._style
            self._style_tail = self._tail

    def after(self, written: str) -> tuple[str, bool]:
        """Return the text that probably follows ``written``, and whether the answer then ends."""
        pieces, rest = split_answer(written)
        if not self._style and pieces:
            self._style = pieces
        if not self._style:
            return self._echo(written)
        used = self._match(pieces)
        begun = _OPEN_BOX.search(rest)
        if begun is not None:
            return self._within_box(rest, begun, pieces, used)
        return self._within_words(rest, pieces, used)

    # -- how far the answer is -------------------------------------------------------------------

    def _match(self, pieces: Sequence[Piece]) -> list[int | None]:
        """Return the expected object of each object so far; cached, as answers grow."""
        known = len(self._known)
        if list(pieces[:known]) != self._known:
            known, self._known, self._used = 0, [], []
        for piece in pieces[known:]:
            self._used.append(self._nearest(piece.key, piece.values, self._used))
            self._known.append(piece)
        return list(self._used)

    def _nearest(self, key: str, values: Sequence[float], used: Sequence[int | None]) -> int | None:
        """Return the expected object with this text that is nearest to the numbers so far."""
        best, nearest = None, np.inf
        for index, piece in enumerate(self._expected):
            if index in used or piece.key != key:
                continue
            box = self._boxes[index]
            size = max(box[2] - box[0], box[3] - box[1], 0.0)
            step = 10.0**-piece.decimals
            off = np.abs(box[: len(values)] - values).mean() if len(values) else 0.0
            if off <= _FAR * size + 3 * step and off < nearest:
                best, nearest = index, off
        return best

    def _drift(self, pieces: Sequence[Piece], used: Sequence[int | None]) -> FloatArray:
        """Return the displacement ``(4,)`` of all objects together: the camera may have turned."""
        errors = [
            np.array(piece.values) - self._boxes[index]
            for piece, index in zip(pieces, used, strict=True)
            if index is not None
        ]
        if not errors:
            return np.zeros(4)
        shift = np.sum(errors, axis=0) / (len(errors) + 1.0)
        both = (shift[:2] + shift[2:]) / 2
        return np.concatenate([both, both])

    # -- what comes next -------------------------------------------------------------------------

    def _within_box(
        self,
        rest: str,
        begun: re.Match[str],
        pieces: Sequence[Piece],
        used: Sequence[int | None],
    ) -> tuple[str, bool]:
        parts = begun.group(1).split(",")
        done = [part.strip() for part in parts[:-1]]
        try:
            values = [float(number) for number in done]
        except ValueError:
            return "", False
        if len(parts) > 4:
            return "", False
        lead = rest[: begun.start(1)]
        key = lead[max(0, lead.rfind("{")) :]
        present = parts[-1].strip()
        if len(present.partition(".")[2]) >= self._style[0].decimals and _WHOLE.fullmatch(present):
            values.append(float(present))
        index = self._nearest(key, values, used)
        shape = self._expected[index] if index is not None else self._style[0]
        drift = self._drift(pieces, used)
        box = None
        if index is not None:
            box = self._boxes[index] + drift
            for place in range(2, 4):  # the whole object is displaced
                if len(values) > place - 2:
                    box[place] += (values[place - 2] - box[place - 2]) / 2
        text, whole = self._rest_of_box(parts, shape, box)
        if not whole:
            return text, False
        more, ended = self._objects_from(index, used, drift)
        return text + more, ended

    def _rest_of_box(
        self, parts: Sequence[str], shape: Piece, box: FloatArray | None
    ) -> tuple[str, bool]:
        """Continue a box with ``parts`` so far; False where its numbers are not known."""
        out = []
        for place in range(len(parts) - 1, 4):
            digits = None if box is None else self._print(float(box[place]), shape.decimals)
            if place == len(parts) - 1:
                number = parts[-1].lstrip() if place else parts[-1]
                if not number and place:
                    gap = shape.gaps[place - 1].partition(",")[2]
                    out.append(gap[len(parts[-1]) :])
                if number or not place:
                    text, known = _rest_of_number(number.rstrip(), digits, shape.decimals)
                    out.append(text)
                    if not known:
                        return "".join(out), False
                    continue
            else:
                out.append(shape.gaps[place - 1])
            if digits is None:
                return "".join([*out, "0." if shape.decimals else ""]), False
            out.append(digits)
        return "".join(out), True

    def _within_words(
        self, rest: str, pieces: Sequence[Piece], used: Sequence[int | None]
    ) -> tuple[str, bool]:
        drift = self._drift(pieces, used)
        order = self._remaining(used)
        for index in [*order, *(i for i in range(len(self._expected)) if i not in order)]:
            words = self._words(self._expected[index].key, rest, first=not pieces)
            if index not in used and words.startswith(rest):
                more, ended = self._objects_from(index, [*used, index], drift)
                return words[len(rest) :] + self._box_text(index, drift) + more, ended
        tail = self._hint.text if self._hint and not self._expected else self._style_tail
        if (pieces or not self._expected) and self._hint is not None and tail.startswith(rest):
            return tail[len(rest) :], True
        return self._new_object(rest, first=not pieces)

    def _new_object(self, rest: str, *, first: bool) -> tuple[str, bool]:
        """Continue the text of an object that was not expected."""
        shape = self._style[-1]
        digits = "0." if shape.decimals else ""
        parts = _LABEL.fullmatch(shape.key)
        if parts is not None:
            before, label, behind = parts.groups()
            for name in dict.fromkeys([*self._labels, label]):
                words = self._words(before + name + behind, rest, first=first)
                if words.startswith(rest):
                    known = len(set(self._labels)) < 2 or len(rest) > len(words) - len(
                        name + behind
                    )
                    if known:
                        return words[len(rest) :] + digits, False
                    return words[len(rest) : len(words) - len(name + behind)], False
        for length in range(min(_LONGEST_ECHO, len(rest)), _SHORTEST_ECHO - 1, -1):
            place = shape.lead.rfind(rest[-length:])
            if place >= 0:
                return shape.lead[place + length :] + digits, False
        closed = rest.rstrip().endswith("]") and rest.count("[") < rest.count("]") + first
        return "", closed

    def _echo(self, written: str) -> tuple[str, bool]:
        """Without known boxes: repeat the expected text from where the last words occur in it."""
        text = self._hint.text if self._hint is not None else ""
        if text.startswith(written):
            return text[len(written) :], bool(text)
        for length in range(min(_LONGEST_ECHO, len(written)), _SHORTEST_ECHO - 1, -1):
            place = text.find(written[-length:])
            if place >= 0:
                return text[place + length :], True
        return "", False

    # -- text ------------------------------------------------------------------------------------

    def _remaining(self, used: Sequence[int | None]) -> list[int]:
        last = max((index for index in used if index is not None), default=-1)
        return [i for i in range(last + 1, len(self._expected)) if i not in used]

    def _objects_from(
        self, index: int | None, used: Sequence[int | None], drift: FloatArray
    ) -> tuple[str, bool]:
        """Return all expected objects after the present one, and the end of the answer."""
        if self._hint is None:
            return self._words("", first=False), False
        out = []
        for following in self._remaining([*used, index]):
            out.append(self._words(self._expected[following].key, first=False))
            out.append(self._box_text(following, drift))
        return "".join([*out, self._style_tail]), True

    def _words(self, key: str, rest: str = "", *, first: bool) -> str:
        """Return the rest of the text before an object's first number, given its start."""
        if "{" in rest:
            return rest[: rest.rfind("{")] + key
        if first:
            return self._style[0].separator + key
        if len(self._style) > 1:
            return self._style[1].separator + key
        closing = self._style_tail.rstrip() or "]}]"
        return (closing[:-1] if closing.endswith("]") else closing) + ", " + key

    def _box_text(self, index: int, drift: FloatArray) -> str:
        shape, box = self._expected[index], self._boxes[index] + drift
        numbers = [self._print(float(value), shape.decimals) for value in box]
        return "".join(number + gap for number, gap in zip(numbers, (*shape.gaps, ""), strict=True))

    def _print(self, value: float, decimals: int) -> str:
        if self._unit:
            value = min(max(value, 0.0), 1.0)
        text = f"{value:.{decimals}f}"
        return text.removeprefix("-") if not float(text) else text


def _rest_of_number(written: str, expected: str | None, decimals: int) -> tuple[str, bool]:
    """Return the missing digits, and whether the number is complete with them.

    >>> _rest_of_number("0.", "0.37", 2), _rest_of_number("0.4", "0.37", 2)
    (('37', True), ('', True))
    """
    whole, point, fraction = written.partition(".")
    if expected is not None and expected.startswith(written):
        return expected[len(written) :], True
    if decimals and not point:
        zeros = whole.strip("-0") != ""
        return "." + "0" * decimals * zeros, zeros
    return "", bool(fraction) or not decimals
