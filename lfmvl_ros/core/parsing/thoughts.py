# SPDX-License-Identifier: Apache-2.0
"""Removes the reasoning (``<think>``) that a model generates before its answer.

Models that reason write their thoughts between ``<think>`` and ``</think>`` and may try out
boxes there. Some chat templates write the opening tag into the prompt, so that an answer begins
in the middle of a thought; one that was cut off never ends it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lfmvl_ros.core.reply import Token

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


def thought_spans(text: str) -> list[tuple[int, int]]:
    """Return where thoughts stand, tags included, as (start, end) in the text, in order.

    A closing tag ends a thought that began with the text, an opening one without an end reaches to
    the end of the text.

    >>> thought_spans("<think>[1]</think>[2]"), thought_spans("hm</think>[2]<think>[3]")
    ([(0, 18)], [(0, 10), (13, 23)])
    """
    spans: list[tuple[int, int]] = []
    kept_from, inside = 0, False
    for tag in _TAG.finditer(text):
        closes = bool(tag[1])
        # A closing tag after an answer, without a thought before it: only the tag goes.
        whole = inside or (closes and not kept_from)
        spans.append((kept_from if whole else tag.start(), tag.end()))
        inside = not closes
        kept_from = tag.end()
    if inside and kept_from < len(text):
        spans.append((kept_from, len(text)))
    return _joined(spans)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def without_thoughts(text: str) -> str:
    """Return the text with spaces in place of thoughts, so that offsets stay valid.

    >>> without_thoughts("<think>[1]</think>[2]")
    '                  [2]'
    """
    pieces, kept_from = [], 0
    for start, end in thought_spans(text):
        pieces += [text[kept_from:start], " " * (end - start)]
        kept_from = end
    return "".join([*pieces, text[kept_from:]])


def thought_tokens(text: str, tokens: Sequence[Token]) -> int:
    """Return how many of the tokens that spell ``text`` belong to thoughts.

    >>> thought_tokens("<think>a b</think>[]", [Token(i, t, 0) for i, t in
    ...     enumerate(["<think>", "a", " b", "</think>", "[]"])])
    4
    """
    spans = thought_spans(text)
    count = place = 0
    for token in tokens:
        middle = place + len(token.text) / 2
        count += any(start <= middle < end for start, end in spans)
        place += len(token.text)
    return count
