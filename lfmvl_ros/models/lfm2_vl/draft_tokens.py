# SPDX-License-Identifier: Apache-2.0
"""A draft of the answer's text as tokens of one tokenizer, and how many of them to propose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lfmvl_ros.core.drafting.draft_text import AnswerDraft
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts

_CHARACTERS_A_TOKEN = 6  # more than most answers have; longer drafts are cut there
_UNSURE = 2  # tokens at such a cut that the whole text may split differently


class TokenDraft:
    """Proposes the tokens that probably come next.

    Args:
        draft: the text that is expected.
        encode: text to token ids, without special tokens.
        texts: token ids to text.
        end_id: the token that ends an answer.
        width: size of the vocabulary; ids beyond it are never proposed.
    """

    def __init__(
        self,
        draft: AnswerDraft,
        *,
        encode: Callable[[str], Sequence[int]],
        texts: TokenTexts,
        end_id: int,
        width: int,
    ) -> None:
        self._draft, self._encode, self._texts = draft, encode, texts
        self._end_id, self._width = end_id, width
        self._seen = 0
        self._queue: list[int] = []
        self._complete = False

    def propose(self, ids: Sequence[int], most: int) -> list[int]:
        """Return up to ``most`` tokens that may follow ``ids``, the answer so far."""
        if most < 1:
            return []
        fresh = list(ids[self._seen :])
        matches = self._queue[: len(fresh)] == fresh
        if self._seen and matches and (self._complete or len(self._queue) - len(fresh) >= most):
            self._queue = self._queue[len(fresh) :]
        else:
            self._queue, self._complete = self._again(ids, most)
        self._seen = len(ids)
        return self._queue[:most]

    def _again(self, ids: Sequence[int], most: int) -> tuple[list[int], bool]:
        """Request the draft text again; True if the tokens cover all of it."""
        text, ended = self._draft.after("".join(self._texts.split(ids)))
        longest = 4 * most * _CHARACTERS_A_TOKEN
        queue = list(self._encode(text[:longest]))
        complete = len(text) <= longest
        if not complete:
            queue = queue[:-_UNSURE]
        elif ended:
            queue.append(self._end_id)
        for place, token in enumerate(queue):
            if not 0 <= token < self._width:
                return queue[:place], True
        return queue, complete


def encoder(tokenizer: Any) -> Callable[[str], Sequence[int]]:
    """Return how a tokenizer encodes the middle of a text, without tokens for begin and end."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is not None:
        return lambda text: fast.encode(text, add_special_tokens=False).ids if text else []
    return lambda text: tokenizer.encode(text, add_special_tokens=False) if text else []


@dataclass
class BlockSize:
    """How many tokens to propose at once, from how many were accepted recently.

    A forward pass over a block takes longer than one over a token, and everything after the first
    mismatch is wasted. A block that was accepted completely was too short.

    Attributes:
        least, most: bounds; ``now`` starts at the lower one.
    """

    least: int
    most: int
    now: int = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"1 <= least <= most is needed, got {self.least} and {self.most}")
        self.now = self.least

    def learn(self, proposed: int, accepted: int) -> None:
        """Adapt to how many of the proposed tokens were accepted."""
        if not proposed:
            return
        if accepted == proposed:
            if proposed >= self.now:
                self.now = min(2 * self.now, self.most)
            return
        self.now = max(self.least, min(self.most, round(0.75 * self.now + 0.4 * accepted)))
