# SPDX-License-Identifier: Apache-2.0
"""Warnings about received messages: once for each sentence, and limited in number."""

from __future__ import annotations

from collections.abc import Callable

from lfmvl_ros.core.safe_text import shortened

MOST_SENTENCES, _LONGEST = 20, 300


class WarnOnce:
    """Warns once for each sentence, of :data:`MOST_SENTENCES` different ones at most.

    A sentence that quotes a message is another one for each message: without a limit, whoever
    sends nonsense fills the log and the memory.

    Args:
        warn: called with a sentence.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._said: set[str] = set()

    def __call__(self, sentence: str) -> None:
        """Warn, unless it is empty, was logged already, or too many were."""
        sentence = shortened(sentence, _LONGEST)
        if not sentence or sentence in self._said or len(self._said) >= MOST_SENTENCES:
            return
        self._said.add(sentence)
        self._warn(sentence)
        if len(self._said) == MOST_SENTENCES:
            self._warn("more warnings of this kind are not logged")
