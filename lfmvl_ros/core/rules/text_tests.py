# SPDX-License-Identifier: Apache-2.0
"""What conditions of rules ask about texts: labels, states, and what is written on an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS
from lfmvl_ros.core.readings.reading import text_key
from lfmvl_ros.core.rules.patterns import pattern_test
from lfmvl_ros.core.same_label import fold_label


def fold_of(name: str) -> Callable[[str], str]:
    """Return how texts of a field are compared."""
    return _fold_read if name == "text" else fold_label


def _fold_read(text: str) -> str:
    return text_key(text).casefold()


def chance_of(
    name: str, test: Callable[[str], bool], *, folds: bool = True
) -> Callable[[Callable[[str], Any]], FloatArray]:
    """Return what gives the probability that a text of each track passes a test."""
    if name != "text":
        return lambda columns: _each(columns(name), test)

    def read(columns: Callable[[str], Any]) -> FloatArray:
        sure = columns("text_confidence").mean  # NaN where nothing was read
        texts = ["" if text is None else text[:MAX_LABEL_CHARACTERS] for text in columns("text")]
        return np.asarray(_each(map(_fold_read, texts) if folds else texts, test) * sure)

    return read


def _each(texts: Any, test: Callable[[str], bool]) -> FloatArray:
    return np.array([float(test(text)) for text in texts], dtype=np.float64)


def _equals(folded: str) -> Callable[[str], bool]:
    return lambda text: text == folded


def _negated(
    make: Callable[[str], Callable[[str], bool]],
) -> Callable[[str], Callable[[str], bool]]:
    def made(text: str) -> Callable[[str], bool]:
        test = make(text)
        return lambda label: not test(label)

    return made


def _match(text: str) -> Callable[[str], bool]:
    return pattern_test(text, whole=True)


def _search(text: str) -> Callable[[str], bool]:
    return pattern_test(text, whole=False)


TEXT_TESTS = {
    "eq": _equals, "ne": _negated(_equals),
    "eq_fzm": _match, "ne_fzm": _negated(_match), "eq_fzs": _search, "ne_fzs": _negated(_search),
}  # fmt: skip
