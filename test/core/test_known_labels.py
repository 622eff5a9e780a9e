# SPDX-License-Identifier: Apache-2.0
"""Which labels a card does not list, and which listed ones are near."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.known_labels import KnownLabels

KNOWN = KnownLabels(
    ("cardboard box", "box", "tote", "person", "person wearing a vest", "フォークリフト"),
    ("red", "blue"),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    "label",
    ["tote", "Red_Tote", "red box", "person in red", "PERSON wearing a vest", "フォークリフト",
     "person in red wearing a vest"],
)  # fmt: skip
def test_listed(label: str) -> None:
    assert not KNOWN.unlisted([label])
    assert KNOWN.remark([label], "bundled") == ""


@pytest.mark.parametrize(
    ("label", "near"),
    [("totes", ("tote",)), ("wooden box", ("box", "cardboard box")), ("red", ()), ("suitcase", ())],
)
def test_not_listed(label: str, near: tuple[str, ...]) -> None:
    assert KNOWN.unlisted(["tote", label]) == (label,)
    assert set(KNOWN.nearest(label)) >= set(near)
    remark = KNOWN.remark(["tote", label], "runs/mine")
    assert remark.startswith(f"the card of runs/mine does not list {label!r}")
    assert all(name in remark for name in near)
    assert ("nearest" in remark) == bool(KNOWN.nearest(label))


@given(st.lists(TEXT, max_size=5), st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=5))
def test_any_words(labels: list[str], qualifiers: list[str], asked: list[str]) -> None:
    known = KnownLabels(tuple(labels), tuple(qualifiers))
    assert not known.unlisted(labels)
    unlisted = known.unlisted(asked)
    assert bool(known.remark(asked, "model")) == bool(unlisted)
    for label in unlisted:
        assert set(known.nearest(label)) <= set(labels)
