# SPDX-License-Identifier: Apache-2.0
"""Lets a model that writes tool calls copy names from the sentence, and invent none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from lfmvl_ros.core.commands.copied_names import allowed_names, unfinished_name


class CopyMask:
    """The tokens that may come next within the name of a rule or a camera.

    A small model that has never seen a name writes a similar one that it has. Such a call would be
    refused or, worse, watch another rule.

    Args:
        pieces: the bytes of each token of the vocabulary.
        sentence: what names are copied from.
        in_use: the names that there are, by argument; see
            :class:`~lfmvl_ros.core.prompt.TextPrompt`.

    Attributes:
        given: natural log of the probability that the model gave to all tokens allowed so far. The
            answer's own probability, less this, is that among the allowed answers.
    """

    def __init__(
        self, pieces: Sequence[bytes], sentence: str, in_use: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._pieces, self._sentence, self._in_use = pieces, sentence, in_use
        self._written = b""
        self.given = 0.0

    def after(self, logits: torch.Tensor, proposed: Sequence[int]) -> torch.Tensor:
        """Return the row of logits, with -inf where a token can't follow.

        Args:
            logits: ``(1, vocabulary)`` float32, after all tokens added; not changed.
            proposed: empty.

        Raises:
            ValueError: tokens are proposed; a name is chosen one token at a time.
        """
        if proposed:
            raise ValueError(f"no draft can be used with names that are copied: {proposed}")
        allowed = self._allowed()
        if not allowed:
            return logits
        masked = torch.full_like(logits, -torch.inf)
        masked[:, allowed] = logits[:, allowed]
        self.given += float(masked[0].logsumexp(-1) - logits[0].logsumexp(-1))
        return masked

    def add(self, chosen: Sequence[int]) -> None:
        """Add the tokens that the answer contains now."""
        self._written += b"".join(self._pieces[token] for token in chosen)

    def _allowed(self) -> list[int]:
        """Return the tokens that may come next; none: any of them."""
        text = self._written.decode("utf-8", errors="ignore")
        unfinished = unfinished_name(text)
        if unfinished is None:
            return []
        begun = self._written[self._written.rindex(b'"') + 1 :]
        argument = unfinished[0]
        is_first = text.count(f'{argument}="') == 1  # a second call is about another name
        in_use = self._in_use.get(argument, ()) if is_first else ()
        names = allowed_names(argument, self._sentence, in_use)
        ends = tuple(f'{name}"'.encode() for name in names)
        rests = tuple(end[len(begun) :] for end in ends if end.startswith(begun))
        return [
            token
            for token, piece in enumerate(self._pieces)
            if piece and any(rest.startswith(piece) or piece.startswith(rest) for rest in rests)
        ]
