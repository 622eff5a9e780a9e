# SPDX-License-Identifier: Apache-2.0
"""Which text each generated token adds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Any

_CONTROL = re.compile(r"<\|.*\|>|<image>")
_THOUGHT = re.compile(r"</?think(?:ing)?>")
"""Text even where a checkpoint declares it special: it parts thoughts from the answer."""


def byte_alphabet() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for (GPT-2's table).

    Printable Latin-1 characters stand for themselves, the other bytes for U+0100 and following.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    table.update({chr(0x100 + index): byte for index, byte in enumerate(others)})
    return table


class TokenTexts:
    """Splits an answer into the texts of its tokens, exact in their concatenation.

    A character whose bytes are spread over several tokens belongs to the token that completes it;
    the others get "". So do control tokens, whether the checkpoint declares them special or not.
    Bytes that are not UTF-8 become U+FFFD, as in any decoding.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._alphabet = byte_alphabet()
        self._known: dict[int, bytes] = {}
        self._added = {id_: t.content for id_, t in tokenizer.added_tokens_decoder.items()}
        special = set(tokenizer.all_special_ids)
        special |= {
            id_
            for id_, token in tokenizer.added_tokens_decoder.items()
            if token.special or _CONTROL.fullmatch(token.content)
        }
        self.control_ids = frozenset(
            id_ for id_ in special if not _THOUGHT.fullmatch(self._added.get(id_, ""))
        )

    def piece(self, id_: int) -> bytes:
        """Return the bytes of a token; none of a control token."""
        known = self._known.get(id_)
        if known is None:
            known = self._known[id_] = self._look_up(id_)
        return known

    def _look_up(self, id_: int) -> bytes:
        if id_ in self.control_ids:
            return b""
        if id_ in self._added:
            return str(self._added[id_]).encode()
        token = self._tokenizer.convert_ids_to_tokens(id_)
        if token is None:  # the model's vocabulary is padded beyond the tokenizer's
            return b""
        if all(character in self._alphabet for character in token):
            return bytes(self._alphabet[character] for character in token)
        return str(token).encode()

    def text(self, id_: int) -> str:
        """Return the text of a single token; U+FFFD for parts of a character."""
        return self.piece(id_).decode("utf-8", errors="replace")

    def split(self, ids: Sequence[int]) -> list[str]:
        """Return one text for each id."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        texts = [decoder.decode(self.piece(id_)) for id_ in ids]
        if texts:
            texts[-1] += decoder.decode(b"", final=True)
        return texts
