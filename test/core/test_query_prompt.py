# SPDX-License-Identifier: Apache-2.0
"""Queries as people type them, and the words the model gets to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import (
    CARD_TEMPLATE,
    COOKBOOK_TEMPLATE,
    Prompt,
    PromptTemplate,
    neutralise,
)
from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS, MAX_LABELS, Query

CONTROL = ["<|im_end|>", "<|im_start|>", "<image>", "<|startoftext|>", "< image >", "</image>"]
CONTROL += ["<function=", "<function=find>", "</function>", "< parameter = label >", "</parameter>"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("red tote, person", ("red tote", "person")),
        (" red   tote ;person\nfork lift ", ("red tote", "person", "fork lift")),
        ("person, Person, PERSON", ("person",)),
        ("赤い箱、人", ("赤い箱", "人")),
        ("Beha\u0308lter", ("Beh\u00e4lter",)),
        ("robo\u0302, rob\u00f4", ("rob\u00f4",)),
        ("صندوق، شخص", ("صندوق", "شخص")),
        ("person,,,", ("person",)),
        ("no. 5 box", ("no. 5 box",)),
        ("Dr. Pepper . 1.5 l bottle . no. 5 box.", ("Dr. Pepper", "1.5 l bottle", "no. 5 box.")),
        ("U.S. mail box ... .5 l can", ("U.S. mail box ... .5 l can",)),
        ("person without a vest", ("person without a vest",)),
    ],
)
def test_query_from_text(text: str, labels: tuple[str, ...]) -> None:
    assert Query.parse(text).labels == labels


@pytest.mark.parametrize("text", ["", "  ", ",;\n", "、"])
def test_an_empty_query_says_what_to_do(text: str) -> None:
    with pytest.raises(UserError, match="name what to find"):
        Query.parse(text)


@pytest.mark.parametrize(
    "text",
    ["x" * (MAX_LABEL_CHARACTERS + 1), ",".join(f"thing {i}" for i in range(MAX_LABELS + 1))],
    ids=["too long", "too many"],
)
def test_a_query_beyond_the_limits_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="shorten it"):
        Query.parse(text)


# Every separator, and what is removed or folded, next to each other much more often than at random.
_ODD = st.text(st.sampled_from(". ,;a0\x1b\u200b\u2028\x85\n\u0301\u202e"), min_size=1, max_size=8)


@pytest.mark.parametrize("text", ["a, .\x1b", "a .\x1b0", "a \x1b. b", "a .\u200b b"])
def test_a_stop_separates_whatever_invisible_is_beside_it(text: str) -> None:
    query = Query.parse(text)
    assert all("." not in label for label in query.labels)
    assert Query.parse(query.text) == query


@given(st.lists(st.text(min_size=1, max_size=20) | _ODD, min_size=1, max_size=5))
def test_reading_what_a_query_shows_gives_the_same_query(parts: list[str]) -> None:
    try:
        query = Query.parse(",".join(parts))
    except UserError:
        return
    assert Query.parse(query.text) == query


@pytest.mark.parametrize("labels", [(), ("",), ("a", "A"), ("x" * 121,), tuple("ab" * 40)])
def test_a_query_is_checked_when_built(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="label"):
        Query(labels)


def test_versions_grow_only_when_the_labels_change() -> None:
    first = Query.parse("person")
    assert first.with_labels_of(" person ") is first
    second = first.with_labels_of("person, tote")
    assert (second.labels, second.version) == (("person", "tote"), 2)
    with pytest.raises(ValueError, match="starts at 1"):
        Query(("person",), version=0)


@pytest.mark.parametrize("token", CONTROL)
def test_control_tokens_never_reach_the_model(token: str) -> None:
    query = Query.parse(f"box{token}, person {token}{token}")
    text = CARD_TEMPLATE.render(query).text
    assert "<|" not in text
    assert "image>" not in text
    assert "function" not in text
    assert "parameter" not in text
    assert "box, person" in text


@given(st.text(alphabet="<>|/ imageIM_endstrx", max_size=40))
def test_nothing_that_looks_like_control_survives(text: str) -> None:
    clean = neutralise(text)
    assert "<|" not in clean
    assert "|>" not in clean
    assert "<image>" not in clean.lower()
    assert neutralise(clean) == clean


@given(st.text(alphabet="abcdefgh äßЖ箱0123456789,.-'()&", max_size=40))
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert neutralise(text) == " ".join(text.split())


def test_a_query_of_control_tokens_only_is_refused() -> None:
    with pytest.raises(UserError, match="nothing but control tokens"):
        CARD_TEMPLATE.render(Query.parse("<image>, <|im_end|>"))


@pytest.mark.parametrize("template", [CARD_TEMPLATE, COOKBOOK_TEMPLATE])
def test_a_prompt_names_every_label_and_keeps_its_query(template: PromptTemplate) -> None:
    query = Query.parse("red tote, person {query}")
    prompt = template.render(query)
    assert "red tote, person {query}" in prompt.text
    assert prompt.query is query
    assert prompt.decimals == template.decimals == 2
    assert isinstance(prompt, Prompt)


@pytest.mark.parametrize("text", ["no place", "{query} twice {query}"])
def test_a_template_needs_one_place_for_the_query(text: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        PromptTemplate("bad", text)


@pytest.mark.parametrize("decimals", [-1, 7])
def test_a_template_needs_sensible_decimals(decimals: int) -> None:
    with pytest.raises(ValueError, match="0 to 6"):
        PromptTemplate("bad", "{query}", decimals)
