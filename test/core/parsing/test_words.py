# SPDX-License-Identifier: Apache-2.0
"""Labels in the query's spelling, and nothing said in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.parsing.absence import reports_nothing
from lfmvl_ros.core.parsing.labels import LabelMatcher
from lfmvl_ros.core.query import Query


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("red tote", "red tote"),
        ("Red Tote", "red tote"),
        ("RED-TOTE", "red tote"),
        ("red_totes", "red tote"),
        ("red tote 2", "red tote"),
        ("red tote.", "red tote"),
        ("persons", "person"),
        ("people", "person"),
        ("Box", "boxes"),
        ("gate 3", "gate 3"),
        ("gate 4", "gate 4"),
        ("ＰＥＲＳＯＮ", "person"),
        ("straße", "Strasse"),
    ],
)
def test_known_labels(written: str, meant: str) -> None:
    query = Query.parse("red tote, person, boxes, gate 3, gate 4, Strasse")
    assert LabelMatcher(query).match(written) == (meant, True)


@pytest.mark.parametrize("written", ["tote", "blue tote", "red", "personal", "pers", "gate 5x"])
def test_unknown_labels_stay_as_they_are(written: str) -> None:
    assert LabelMatcher(Query.parse("red tote, person")).match(written) == (written, False)


@given(st.lists(st.text("abc ÄßéK箱", min_size=1, max_size=9), min_size=1, max_size=4))
def test_every_label_matches_itself(labels: list[str]) -> None:
    words = ",".join(labels)
    if not words.replace(",", " ").split():
        return
    query = Query.parse(words)
    for label in query.labels:
        assert LabelMatcher(query).match(label) == (label, True)


NOTHING = [
    "None.",
    "no",
    '"none"',
    "Nothing found.",
    "No objects detected",
    "There are no such objects in the image.",
    "There is no tote and no person in the picture.",
    "No persons or totes are visible in this image.",
    "I cannot find any matching objects.",
    "I don't see any totes, persons in this frame.",
    "没有",
]
SOMETHING = [
    "There is a person.",
    "There is no tote in the image.",
    "No tote, one person.",
    "There are no objects in the image. The person is behind the shelf.",
    "No, the person is on the left",
    "There is no image.",
    "no image provided",
    "No person without a helmet is visible, and no tote.",
    "There are no objects at [0.1, 0.2].",
    "There are 0 objects.",
    "not a person",
    "nothing but a person",
    "None of your business",
    "x" * 400,
    "",
]


@pytest.mark.parametrize("text", NOTHING)
def test_clear_words_for_nothing(text: str) -> None:
    assert reports_nothing(text, Query.parse("tote, person"))


@pytest.mark.parametrize("text", SOMETHING)
def test_words_that_are_not_clear(text: str) -> None:
    assert not reports_nothing(text, Query.parse("tote, person"))
