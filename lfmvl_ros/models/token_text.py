# SPDX-License-Identifier: Apache-2.0
"""Which text each generated token adds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"  # what decoding puts for bytes that are no whole character yet
_CONTROL = re.compile(r"<\|.*\|>|<image>")


class TokenTexts:
    """Splits an answer into the texts of its tokens, exact in their concatenation.

    A character whose bytes are spread over several tokens belongs to the token that completes it;
    the others get "". So do control tokens, whether the checkpoint declares them special or not.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        self.control_ids = frozenset(tokenizer.all_special_ids) | {
            id_ for id_, token in added if token.special or _CONTROL.fullmatch(token.content)
        }

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def split(self, ids: Sequence[int]) -> list[str]:
        """Return one text for each id."""
        texts = [""] * len(ids)
        waiting: list[int] = []
        for index, id_ in enumerate(ids):
            if id_ in self.control_ids:
                if waiting:
                    texts[index - 1] = self._decode(waiting)
                    waiting = []
                continue
            waiting.append(id_)
            text = self._decode(waiting)
            # A character takes up to four bytes, so up to four tokens; longer waits are for text
            # that really holds the replacement character.
            if not text.endswith(_UNFINISHED) or len(waiting) == 4:
                texts[index], waiting = text, []
        if waiting:
            texts[-1] = self._decode(waiting)
        return texts
