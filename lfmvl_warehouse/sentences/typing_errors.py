# SPDX-License-Identifier: Apache-2.0
"""How people type: without capitals, points or accents, with slips."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Collection

_WORD = re.compile(r"[^\W\d_]{5,}")
_NAMED = re.compile(r"\w*[_-]\w*|\w*\d\w*")  # names and numbers have to be copied as they are
_LETTERS = ("de", "en", "es", "fr", "pt")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe"})
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


def as_typed(text: str, language: str, keep: Collection[str], rng: random.Random) -> str:
    """Return a sentence as somebody may type it.

    Args:
        text: as it should be.
        language: of the sentence.
        keep: names in it that must stay as they are.
        rng: source of chance.
    """
    if rng.random() < 0.35:
        text = text.rstrip(" .!。！؟?？") or text
    elif rng.random() < 0.12:
        text = text.rstrip(" .!。！") + rng.choice((".", "!", "!!", " !", "..."))
    if language not in _LETTERS:
        if language in ("ja", "zh") and rng.random() < 0.08 and not keep:
            text = text.translate(_WIDE)
        return text
    if rng.random() < 0.3:
        text = " ".join(word if word in keep else word.lower() for word in text.split(" "))
    elif rng.random() < 0.03:
        text = text if keep else text.upper()
    if rng.random() < 0.08:
        text = _unaccented(text, language)
    if rng.random() < 0.09:
        text = _slip(text, keep, rng)
    return text


def _unaccented(text: str, language: str) -> str:
    if language == "de":
        return text.translate(_GERMAN)
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _slip(text: str, keep: Collection[str], rng: random.Random) -> str:
    """Swap, double or leave out a letter of a long word."""
    words = [m for m in _WORD.finditer(text) if not any(m[0] in name for name in keep)]
    words = [m for m in words if not _NAMED.fullmatch(m[0])]
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    return rng.choice(
        (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1 :],
        )
    )
