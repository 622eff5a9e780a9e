# SPDX-License-Identifier: Apache-2.0
"""The same text in several tokenisations, for a model that has learned to read them all.

A tokenizer splits each word in one way of many. Where the training cut words at random (Kudo, 2018,
arXiv:1804.10959, "subword regularization"), the model reads the other ways as well, and what it
writes for all of them is surer than what it writes for one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

CUTS = 0.03
"""Share of the places between two letters where a text is cut; as often as in training."""


def split_at(text: str, places: Sequence[int]) -> list[str]:
    """Return the parts of a text between places in rising order, one more than these.

    >>> split_at("crate", [2])
    ['cr', 'ate']
    """
    return [text[a:b] for a, b in pairwise([0, *places, len(text)])]


def tokenisations(tokenizer: Any, parts: tuple[str, str, str], count: int) -> list[list[int]]:
    """Return token ids of a prompt: the usual ones first, then with words cut.

    Args:
        tokenizer: of the model.
        parts: the prompt; words of the second part may be cut, between what is before and after it.
        count: how many, at least 1. All but the first have a cut, unless there is no place for one.
            The same text has the same ones each time.
    """
    head, said, tail = parts
    ways = [["".join(parts)]]
    places = range(1, len(said))
    for number in range(1, count):
        cuts = max(1, round(CUTS * len(said)))
        drawn = random.Random(f"{number}/{said}").sample(places, min(cuts, len(places)))
        pieces = split_at(said, sorted(drawn))
        ways.append([head + pieces[0], *pieces[1:-1], pieces[-1] + tail] if drawn else ways[0])
    return [
        [id_ for part in way for id_ in tokenizer(part, add_special_tokens=False)["input_ids"]]
        for way in ways
    ]
