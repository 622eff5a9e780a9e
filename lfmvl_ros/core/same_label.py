# SPDX-License-Identifier: Apache-2.0
"""When two labels are the same: the one rule that query, parser, tracker and model cards share."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_GAPS = re.compile(r"[_\-]")
_ARTICLE = re.compile(r"(?:an?|the) (?=.)")
_AROUND = " .:;!\"'\u3002"  # the last: the full stop of Chinese and Japanese


@lru_cache(maxsize=1024)  # the labels of a query come again with every answer
def fold_label(label: str) -> str:
    """Return a label as it is compared: labels are the same where this is equal.

    Case, width (Unicode's NFKC), hyphens, underscores, white space, punctuation around the label
    and an English article before it are ignored. "" only for the empty label.

    >>> fold_label("Hard_Hat") == fold_label("a hard-hat ") == "hard hat"
    True
    """
    folded = unicodedata.normalize("NFKC", label).casefold()
    before, text = "", _squeezed(_GAPS.sub(" ", folded))
    while text != before:
        article = _ARTICLE.match(text)
        before, text = text, _squeezed(text[article.end() :] if article else text)
    return text or " ".join(folded.split())


def _squeezed(text: str) -> str:
    return " ".join(text.strip(_AROUND).split())
