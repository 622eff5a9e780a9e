# SPDX-License-Identifier: Apache-2.0
"""Collects a streamed chat completion: text, tokens, and why it ended."""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.answer_end import AnswerWatch
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.reply import FinishReason, Token
from lfmvl_ros.models.server.errors import json_value, message_of

_ZEROS_IN_A_ROW = 16
_ZEROS_SHARE, _ZEROS_LEAST = 0.75, 8
UNKNOWN_ID = -1
"""Id of a token whose server names none."""


@dataclass(frozen=True)
class _Piece:
    """The text of one token, or of one event if its tokens are unknown."""

    text: str
    token: Token | None


class AnswerStream:
    """Reads the events of one answer.

    The answer ends at the server's end, or by the same rules as for a model in this process
    (:class:`lfmvl_ros.core.answer_end.AnswerWatch`).

    Attributes:
        finish: why the answer ended; None before.
        error: the server's error message within the stream; None without one.
        events: events read that added to the answer.
        prompt_tokens: image and text, as counted by the server; 0 before the end, or if it does
            not say.
        timings: llama.cpp's, at the end; empty elsewhere.
        complete: nothing that follows matters. Counts and timings come after the answer's end.
    """

    def __init__(self) -> None:
        self.finish: FinishReason | None = None
        self.error: str | None = None
        self.complete = False
        self.events = 0
        self.prompt_tokens = 0
        self.timings: dict[str, float] = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pieces: list[_Piece] = []
        self._watch = AnswerWatch()
        self._unusable = False

    def feed(self, line: bytes) -> bool:
        """Process one line of the event stream; True if it added to the answer.

        Lines that are not events (blank ones, comments) are skipped.
        """
        field, _, value = line.partition(b":")
        value = value.strip()
        if field.strip() != b"data" or value == b"[DONE]":
            self.complete = self.complete or (value == b"[DONE]" and self.finish is not None)
            if field.strip() == b"error" and value:  # older llama.cpp
                self.error = message_of(value)
            return False
        document = json_value(value)
        if not isinstance(document, dict):
            self.error = "the server sent an event that is no JSON object"
            return False
        if document.get("error"):
            self.error = message_of(value)
            return False
        self._read_counts(document)
        before = len(self._pieces)
        choices = document.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._read_choice(choice)
        grown = len(self._pieces) > before
        self.events += grown
        return grown

    def _read_counts(self, document: dict[str, Any]) -> None:
        usage, timings = document.get("usage"), document.get("timings")
        if isinstance(usage, dict) and isinstance(usage.get("prompt_tokens"), int):
            self.prompt_tokens = usage["prompt_tokens"]
        if isinstance(timings, dict):
            self.timings = {
                str(name): float(value)
                for name, value in timings.items()
                if is_number(value) and value >= 0
            }

    def _read_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if isinstance(content, str) or content is None:
            self._add(content or "", _entries(choice))
        reason = choice.get("finish_reason")
        if self.finish is None and isinstance(reason, str):
            if reason == "content_filter":
                self.error = "the server's content filter stopped the answer"
            self.finish = FinishReason.LENGTH if reason == "length" else FinishReason.STOP

    def _add(self, content: str, entries: list[Any]) -> None:
        if self.finish is not None or not (content or entries):
            return
        pieces = [_Piece(token.text, token) for token in map(self._token, entries) if token]
        if len(pieces) != len(entries) or "".join(piece.text for piece in pieces) != content:
            # Drafted by the server, a text without probabilities, or hidden thoughts with some.
            self._unusable = True
            pieces = [_Piece(content, None)] if content else []
        for piece in pieces:
            if self.finish is None:
                self._pieces.append(piece)
                known = piece.token is not None and piece.token.id != UNKNOWN_ID
                id_ = piece.token.id if known and piece.token else zlib.crc32(piece.text.encode())
                self.finish = self._watch.add(id_, piece.text)
                self.complete = self.finish is not None

    def _token(self, entry: Any) -> Token | None:
        if not isinstance(entry, dict):
            return None
        mark, id_, raw = entry.get("logprob"), entry.get("id"), entry.get("bytes")
        if not is_number(mark) or mark > 1e-3:
            return None
        try:
            spelled = bytes(raw) if isinstance(raw, list) else str(entry["token"]).encode()
        except (KeyError, TypeError, ValueError):
            return None
        id_ = id_ if isinstance(id_, int) else UNKNOWN_ID
        return Token(id_, self._decoder.decode(spelled), min(0.0, float(mark)))

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(piece.text for piece in self._pieces[: self._watch.keep])

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Its tokens; none where their probabilities can't be trusted (see :attr:`spoiled`)."""
        kept = [piece.token for piece in self._pieces[: self._watch.keep]]
        tokens = tuple(token for token in kept if token is not None)
        return () if self._unusable or _are_made_up(tokens) else tokens

    @property
    def spoiled(self) -> bool:
        """True if there is an answer without usable probabilities.

        Servers with speculative decoding report a log-probability of exactly 0 for drafted tokens,
        or none.
        """
        return bool(self._pieces) and not self.tokens


def _entries(choice: dict[str, Any]) -> list[Any]:
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return content if isinstance(content, list) else []


def _are_made_up(tokens: tuple[Token, ...]) -> bool:
    """True for more certainty than a model has: exact zeros in a long row, or nearly everywhere."""
    longest = run = zeros = 0
    for token in tokens:
        run = run + 1 if token.logprob == 0 else 0
        zeros += token.logprob == 0
        longest = max(longest, run)
    many = len(tokens) >= _ZEROS_LEAST and zeros >= _ZEROS_SHARE * len(tokens)
    return longest >= _ZEROS_IN_A_ROW or many
