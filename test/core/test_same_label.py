# SPDX-License-Identifier: Apache-2.0
"""One rule for "the same label", in query, parser, tracker and model cards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.known_labels import KnownLabels
from lfmvl_ros.core.parsing.labels import LabelMatcher
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.tracking.measurement import label_key, measure

WORD = st.text("abcdefgklmnoprstuäößéж車人", min_size=2, max_size=8).filter(
    lambda word: word not in ("an", "the")
)
NAMES = st.lists(WORD, min_size=1, max_size=3)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Two spellings of one label."""
    words = draw(NAMES)

    def spelled() -> str:
        gap = draw(st.sampled_from([" ", "_", "-", "  "]))
        article = draw(st.sampled_from(["", "a ", "An ", "the ", "THE "]))
        change = draw(st.sampled_from([str, str.upper, str.title]))
        around = draw(st.sampled_from(["{}", " {} ", "{}.", "'{}'", '"{}"']))
        return around.format(article + change(gap.join(words)))

    return spelled(), spelled()


@given(spellings())
def test_spellings_of_one_label_are_one_label_everywhere(pair: tuple[str, str]) -> None:
    one, other = pair
    assert fold_label(one) == fold_label(other)
    assert label_key(one) == label_key(other)
    query = Query.parse(one)
    assert LabelMatcher(query).match(other) == (query.labels[0], True)
    assert len(Query.parse(f"{one}, {other}").labels) == 1
    assert KnownLabels((one,)).unlisted([other]) == ()
    boxes = np.array([[0.0, 0, 9, 9], [50, 50, 90, 90]])
    found = Detections(boxes, (one, other), np.ones(2), np.ones((2, 4)))
    assert len(set(measure(found, 0.1).labels)) == 1


@given(NAMES, NAMES)
def test_other_words_are_another_label(one: list[str], other: list[str]) -> None:
    same = [word.casefold() for word in one] == [word.casefold() for word in other]
    assert (fold_label(" ".join(one)) == fold_label(" ".join(other))) == same


@given(st.text(max_size=40))
def test_folding_again_changes_nothing_and_no_label_is_lost(text: str) -> None:
    folded = fold_label(text)
    assert bool(folded) == bool(text.strip())
    assert fold_label(folded).casefold() == folded.casefold() or not folded.isascii()


def test_a_full_stop_after_a_label_is_not_part_of_it() -> None:
    assert fold_label("person.") == fold_label("person")
    assert fold_label("\u4eba\u3002") == fold_label("\u4eba\uff61") == fold_label("\u4eba")


@pytest.mark.parametrize("label", ["a", "the", "An", "...", "-", "a the"])
def test_what_is_only_an_article_or_punctuation_stays_a_label(label: str) -> None:
    assert fold_label(label)


@given(st.lists(WORD, min_size=1, max_size=5, unique_by=fold_label))
def test_lists_with_other_separators_are_the_same_list(words: list[str]) -> None:
    expected = Query.parse(", ".join(words)).labels
    for separator in (" . ", "; ", ";", " .\n"):
        assert Query.parse(separator.join(words)).labels == expected
    assert Query.parse(" . ".join(words) + " .").labels == expected


def test_a_full_stop_inside_a_label_is_no_separator() -> None:
    assert Query.parse("valve No. 5, v1.2 board").labels == ("valve No. 5", "v1.2 board")


def test_a_query_of_full_stops_alone_is_empty() -> None:
    with pytest.raises(UserError, match="query is empty"):
        Query.parse(" . . ")
