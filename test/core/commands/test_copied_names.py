# SPDX-License-Identifier: Apache-2.0
"""Names of rules and cameras can only be parts of the sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.copied_names import SIDES, allowed_names, names_in, unfinished_name

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
