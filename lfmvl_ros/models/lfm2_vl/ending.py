# SPDX-License-Identifier: Apache-2.0
"""Where an answer ends: at its end token, at its limit, or because it is complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lfmvl_ros.core.answer_end import AnswerWatch
from lfmvl_ros.core.reply import FinishReason


class AnswerEnd:
    """Follows one answer token by token.

    Args:
        end_ids: tokens that end an answer; they belong to it.
        most: longest answer, tokens.
        text_of: the text a token adds.
    """

    def __init__(
        self, end_ids: Sequence[int], most: int, text_of: Callable[[int], str] = lambda _: ""
    ) -> None:
        self._end_ids, self.most, self._text_of = frozenset(end_ids), most, text_of
        self._watch = AnswerWatch()
        self.count = 0
        """Tokens taken."""
        self.finish: FinishReason | None = None
        """Why the answer is over; None while it is not."""

    @property
    def keep(self) -> int:
        """How many of the tokens belong to the answer."""
        return self._watch.keep

    def add(self, ids: Sequence[int]) -> bool:
        """Add the next tokens; True when the answer has ended. Later tokens are not counted."""
        for token in ids:
            if self.finish is not None:
                break
            self.count += 1
            if token in self._end_ids:
                self._watch.add(token)
                self.finish = FinishReason.STOP
            else:
                self.finish = self._watch.add(token, self._text_of(token))
            if self.finish is None and self.count >= self.most:
                self.finish = FinishReason.LENGTH
        return self.finish is not None
