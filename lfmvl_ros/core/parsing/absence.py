# SPDX-License-Identifier: Apache-2.0
"""Recognises answers that state in words that nothing is there.

A robot acts on absence, so only clear statements count: a single word for nothing, or one negative
sentence with nothing but the query's labels and words from a short list. "No person wears a helmet"
does not deny that there are persons, and "no image was provided" does not deny any object.
"""

from __future__ import annotations

import re

from lfmvl_ros.core.parsing.labels import word_list
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label

MAX_CHARACTERS = 300

_NOTHING = {
    *word_list(
        "none nothing null nil empty no n/a na nada ninguno ninguna rien aucun aucune nichts keine "
        "nenhum nenhuma niente nessuno なし 該当なし 无 無 没有 沒有 없음 없습니다"
    ),
    *("not found", "none found", "nothing found", "لا شيء", "لا يوجد"),
}
_DENIAL = re.compile(
    r"(?:there (?:is|are|was|were) (?:no|not any|none)|no|none|nothing"
    r"|i (?:do not|don't|did not|didn't|can not|cannot|can't|could not|couldn't)"
    r" (?:see|find|detect|identify) any)\b(?P<rest>[^.!?]*)[.!]?"
)
_GENERIC = {
    *word_list("object objects instance instances detection detections match matches item items"),
    *word_list("result results thing things"),
}
_FILLER = set(
    word_list(
        "a an any no nor the this that these those such of or and in on at to with for is are was "
        "were be been can could image picture photo frame scene view visible present found seen "
        "detected identified shown here matching described requested specified listed given query "
        "description request criteria list from"
    )
)
_INPUT = {"image", "picture", "photo", "frame", "input", "scene", "view"}


def reports_nothing(text: str, query: Query) -> bool:
    """Return True when ``text`` states clearly that no object of the query is there.

    >>> reports_nothing("There are no objects matching the query.", Query.parse("tote, person"))
    True
    >>> reports_nothing("There is no person in the image.", Query.parse("tote, person"))
    False
    """
    if len(text) > MAX_CHARACTERS:
        return False
    plain = " ".join(text.casefold().replace("’", "'").split()).strip("\"'`* ")
    if plain.strip(" .!。") in _NOTHING:
        return True
    match = _DENIAL.fullmatch(plain)
    return match is not None and _denies_all(" ".join(match["rest"].split()), query)


def _denies_all(rest: str, query: Query) -> bool:
    """Return True when ``rest``, after the negation, covers all labels of the query."""
    if rest.partition(" ")[0] in _INPUT:
        return False
    named = 0
    for label in sorted(map(fold_label, query.labels), key=len, reverse=True):
        shorter = re.sub(rf"\b{re.escape(label)}(?:s|es)?\b", " ", rest)
        named += shorter != rest
        rest = shorter
    words = rest.replace(",", " ").split()
    generic = _GENERIC.intersection(words) or not (words or named)
    known = all(word in _FILLER or word in _GENERIC for word in words)
    return known and (named == len(query.labels) or (not named and bool(generic)))
