# SPDX-License-Identifier: Apache-2.0
"""Names of rules and cameras can only be parts of the sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.copied_names import (
    SIDES,
    allowed_names,
    names_in,
    spoken_names,
    unfinished_name,
)

NAME = st.from_regex(r"[a-z][a-z0-9]{0,8}([_-][a-z0-9]{1,6})?", fullmatch=True)


@given(
    NAME,
    st.sampled_from(
        ["rule {}, please", "({})", "règle «{}».", "見て {} を", "{}을 봐", "{}を見て"]
    ),
)
def test_a_name_is_found_wherever_it_stands(name, sentence):
    assert name in names_in(sentence.format(name))


@given(st.text())
def test_names_are_parts_of_the_sentence(sentence):
    assert all(name in sentence for name in names_in(sentence))


@pytest.mark.parametrize(
    ("sentence", "not_a_name"),
    [("Cuántas personas", "ntas"), ("für", "r"), ("almacén2", "n2")],
)
def test_words_are_not_cut_at_an_accent(sentence, not_a_name):
    assert not_a_name not in names_in(sentence)


def test_a_camera_may_have_a_side_that_the_sentence_says_in_its_own_words():
    assert {*SIDES} <= {*allowed_names("camera", "Kamera hinten")}
    assert not {*SIDES} & {*allowed_names("rule", "Kamera hinten")}


@given(st.lists(NAME, unique=True, max_size=5), st.text(max_size=60))
def test_spoken_names_are_names_in_use(known, sentence):
    assert set(spoken_names(known, sentence)) <= set(known)


@given(NAME, st.sampled_from(["Watch {}!", "{}を見て", "La règle « {} »"]), st.booleans())
def test_a_name_in_use_is_the_only_one_allowed_where_it_is_said(name, sentence, blanks):
    said = name.replace("_", " ").replace("-", " ") if blanks and "{} " not in sentence else name
    if blanks and sentence.startswith("{}"):
        said = name  # a language without blanks has none within a name
    known = (name, f"{name}_0")
    for argument in ("rule", "camera"):
        assert allowed_names(argument, sentence.format(said.upper()), known) == (name,)


@pytest.mark.parametrize(
    ("sentence", "spoken"),
    [
        ("Watch the rule Person in aisle.", ("person_in_aisle",)),
        ("person-in-aisle and dock.1", ("person_in_aisle", "dock 1")),
        ("a person in the aisle", ()),
        ("a person in aisles", ()),
        ("", ()),
        ("___", ()),
    ],
)
def test_words_of_a_name_stand_together(sentence, spoken):
    assert spoken_names(("person_in_aisle", "dock 1", "--"), sentence) == spoken


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("通路", "通路のルールを見て"), ("누수", "누수를 감시해"), ("漏水", "规则漏水触发时告诉我")],
)
def test_names_are_found_within_words_of_languages_without_blanks(name, sentence):
    assert spoken_names((name, "spill"), sentence) == (name,)
    assert allowed_names("rule", sentence, (name, "spill")) == (name,)


def test_where_no_name_in_use_is_said_every_word_may_be_one():
    """The call is refused then, and the refusal says the name that was meant."""
    assert "gate" in allowed_names("rule", "wait for the rule gate", ("spill", "door"))
    assert {*SIDES} <= {*allowed_names("camera", "die vordere Kamera", ("front", "rear"))}


@pytest.mark.parametrize(
    ("written", "unfinished"),
    [
        ("", None),
        ("[count(label=\"cra", None),
        ('[watch(rule="', ("rule", "")),
        ('[watch(rule="a", timeout_s=3), count(label="box", camera="do', ("camera", "do")),
        ('[watch(rule="a"', None),
    ],
)  # fmt: skip
def test_what_a_model_has_written_of_a_name(written, unfinished):
    assert unfinished_name(written) == unfinished
